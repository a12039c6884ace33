"""Text models, as OpenAI's SDK and a plain client see them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Literal

import httpx
import openai
import pydantic
import pytest

CHAT = "/v1/openai/chat/completions"
RESPONSES = "/v1/openai/responses"
QUESTION = "A lighthouse on a cliff"


@pytest.fixture
def client(api, transport):
    return openai.OpenAI(
        base_url=f"{api.sandbox.url}/v1/openai",
        api_key=api.sandbox.rich_key,
        max_retries=0,
        http_client=httpx.Client(transport=transport, trust_env=False),
    )


class Shot(pydantic.BaseModel):
    title: str = pydantic.Field(max_length=12)
    score: int = pydantic.Field(ge=1, le=10)
    mood: Literal["calm", "wild"]
    note: str | None


class Plan(pydantic.BaseModel):
    shots: list[Shot] = pydantic.Field(min_length=3, max_length=3)
    weight: float
    final: bool


TOOL = {
    "name": "find_place",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}
CHAT_TOOL = {"type": "function", "function": TOOL}


def user(text: str, *pictures: str) -> list[dict[str, Any]]:
    seen = [{"type": "image_url", "image_url": {"url": picture}} for picture in pictures]
    return [{"role": "user", "content": [{"type": "text", "text": text}, *seen]}]


def ask(client, model="sandbox/words", messages=None, **more):
    return client.chat.completions.create(model=model, messages=messages or user(QUESTION), **more)


def test_words(client, api):
    answer = ask(client, "openai/gpt-5-mini")
    [choice] = answer.choices
    assert (answer.object, answer.model) == ("chat.completion", "openai/gpt-5-mini")
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert choice.message.content.startswith(QUESTION)
    assert ask(client, "openai/gpt-5-mini").choices[0].message.content == choice.message.content
    assert ask(client, "sandbox/words").choices[0].message.content != choice.message.content


def test_what_words_cost(client, api):
    answer = ask(client)
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.model_extra["cost"] == round(usage.prompt_tokens * 1e-6 + usage.completion_tokens * 10e-6, 12)
    assert answer.model_extra["cost"] == 0.0002
    assert api.credits() == "99.9998"
    call = api.last_call()
    assert (call["path"], call["prompt"], call["status"], call["cost"]) == (CHAT, QUESTION, "success", 0.0002)


def test_the_longest_answer_is_paid_in_advance(api):
    with api.connect() as connection:
        body = json.dumps({"model": "sandbox/words-slow", "messages": user("x"), "max_tokens": 1000}).encode()
        head = api.request("x").partition(b"Content-Length")[0].replace(b"/v1/openai/images/generations", CHAT.encode())
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        call = api.await_call(lambda call: call["model"] == "sandbox/words-slow")
    assert (call["status"], call["cost"]) == ("processing", 0.0101)


def test_a_stream(client, api):
    whole = ask(client)
    chunks = list(ask(client, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert len(chunks) > 5
    assert {chunk.id for chunk in chunks} == {f"chatcmpl-{api.last_call()['id']}"}
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)
    assert chunks[-1].model_extra["cost"] == 0.0002


def test_a_stream_on_the_wire(api):
    answer = api.post(CHAT, json={"model": "sandbox/words", "messages": user("x"), "stream": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.text.startswith("data: {")
    assert answer.text.endswith("\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize("question", ["a fox", "a hare"])
def test_structured_output(client, question):
    messages = user(question)
    plan = client.chat.completions.parse(model="sandbox/words", messages=messages, response_format=Plan)
    parsed = plan.choices[0].message.parsed
    assert len(parsed.shots) == 3
    assert all(shot.title.startswith(question) for shot in parsed.shots)
    same = client.responses.parse(model="sandbox/words", input=question, text_format=Plan)
    assert same.output_parsed == parsed


def test_several_ideas_are_different_ones(client):
    schema = {"type": "object", "properties": {"prompts": {"type": "array", "items": {"type": "string"}}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    prompts = json.loads(ask(client, response_format=form).choices[0].message.content)["prompts"]
    assert len(set(prompts)) == len(prompts) == 3


def test_a_json_object(client):
    answer = ask(client, response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content)["text"].startswith(QUESTION)


def test_a_tool_is_called_once_then_answered(client):
    messages = user(QUESTION)
    first = ask(client, messages=messages, tools=[CHAT_TOOL])
    assert (first.choices[0].finish_reason, first.choices[0].message.content) == ("tool_calls", None)
    [call] = first.choices[0].message.tool_calls
    assert call.function.name == "find_place"
    assert json.loads(call.function.arguments)["place"].startswith(QUESTION)
    messages += [first.choices[0].message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "Found."}]
    second = ask(client, messages=messages, tools=[CHAT_TOOL])
    assert second.choices[0].message.content.startswith(QUESTION)
    again = ask(client, messages=messages, tools=[CHAT_TOOL], tool_choice="required")
    assert again.choices[0].message.tool_calls


def test_a_tool_can_be_asked_for_or_ruled_out(client):
    other = {"type": "function", "function": TOOL | {"name": "other"}}
    choice = {"type": "function", "function": {"name": "other"}}
    forced = ask(client, tools=[CHAT_TOOL, other], tool_choice=choice)
    assert forced.choices[0].message.tool_calls[0].function.name == "other"
    assert ask(client, tools=[CHAT_TOOL], tool_choice="none").choices[0].message.tool_calls is None


def test_a_tool_call_in_a_stream(client):
    chunks = list(ask(client, tools=[CHAT_TOOL], stream=True))
    calls = [
        chunk.choices[0].delta.tool_calls[0] for chunk in chunks if chunk.choices and chunk.choices[0].delta.tool_calls
    ]
    assert calls[0].function.name == "find_place"
    assert "place" in json.loads("".join(call.function.arguments for call in calls))


def test_pictures_are_seen(client, api, red_png):
    uri = f"data:image/png;base64,{base64.b64encode(red_png).decode()}"
    seen = ask(client, messages=user(QUESTION, uri))
    assert api.last_call()["images"] == [hashlib.sha256(red_png).hexdigest()]
    assert seen.usage.prompt_tokens == ask(client).usage.prompt_tokens + 256
    link = ask(client, messages=user(QUESTION, "https://example.org/a.png"))
    answers = {each.choices[0].message.content for each in (seen, link, ask(client))}
    assert len(answers) > 1


def test_a_large_picture_fits(client):
    uri = f"data:image/png;base64,{base64.b64encode(bytes(1_000_000)).decode()}"
    assert ask(client, messages=user(QUESTION, uri)).choices


@pytest.mark.parametrize("model", ["deepseek/deepseek-v3.2", "sandbox/words-blind"])
def test_some_models_do_not_see(api, model):
    answer = api.post(CHAT, json={"model": model, "messages": user(QUESTION, "https://example.org/a.png")})
    assert (answer.status_code, answer.json()["error"]["message"]) == (200, "This model does not support image inputs")
    assert api.credits() == "100.0000"


def test_tokens_run_out(client, api):
    cut = ask(client, max_tokens=2)
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 2)
    assert len(cut.choices[0].message.content) == 7


def test_a_model_that_thinks_its_tokens_away(client, api):
    answer = ask(client, "sandbox/words-thinks", max_tokens=500)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("", "length")
    assert answer.usage.completion_tokens == answer.usage.completion_tokens_details.reasoning_tokens == 500
    assert answer.model_extra["cost"] == 0.0051
    assert ask(client, "sandbox/words-thinks", max_completion_tokens=3000).choices[0].message.content
    assert ask(client, "sandbox/words-thinks").usage.completion_tokens > 2000


@pytest.mark.parametrize(("path", "asked"), [(CHAT, {"messages": user("x")}), (RESPONSES, {"input": "x"})])
def test_an_error_in_a_200(api, path, asked):
    answer = api.post(path, json={"model": "sandbox/words-fails"} | asked)
    error = {"message": "The provider failed to answer.", "type": "provider_error"}
    assert (answer.status_code, answer.json()) == (200, {"error": error})
    assert (api.credits(), api.last_call()["status"]) == ("100.0000", "error")
    streamed = api.post(path, json={"model": "sandbox/words-fails", "stream": True} | asked)
    assert streamed.text == f"data: {json.dumps({'error': error}, separators=(',', ':'))}\n\n"


def test_words_that_fail_once(client, api):
    answers = [api.post(CHAT, json={"model": "sandbox/words-flaky", "messages": user("x")}).json() for _ in range(2)]
    assert ["choices" in answer for answer in answers] == [False, True]
    with pytest.raises(openai.RateLimitError):
        ask(client, "sandbox/words-rate-limited")
    assert ask(client, "sandbox/words-rate-limited").choices


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (CHAT, {}, "'model' is a required parameter"),
        (CHAT, {"model": "sandbox/words"}, "'messages' is a required parameter"),
        (CHAT, {"model": "no/such", "messages": user("x")}, "model 'no/such' is not available"),
        (RESPONSES, {"model": "sandbox/words"}, "'input' is a required parameter"),
        (RESPONSES, [], "Expected object, received array"),
    ],
)
def test_bad_requests(api, path, body, message):
    answer = api.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert answer.json()["error"]["message"] == message
    assert api.last_call()["status"] == "refused"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": ["hello"]}),
        (CHAT, {"messages": [{"role": "assistant", "tool_calls": [{}]}]}),
        (CHAT, {"messages": [{"role": "user", "content": "x"}], "tools": [{"function": "x"}]}),
        (CHAT, {"messages": [{"role": "user", "content": [{"image_url": {"url": "data:image/png;base64,A"}}]}]}),
        (RESPONSES, {"input": "x", "text": "json"}),
        (RESPONSES, {"input": 5}),
    ],
)
def test_nonsense(api, path, body):
    answer = api.post(path, json={"model": "sandbox/words"} | body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert api.last_call()["status"] == "refused"


def test_a_schema_that_cannot_be_read_costs_nothing(api):
    form = {"type": "json_schema", "json_schema": {"schema": {"$ref": "#/$defs/none"}}}
    body = {"model": "sandbox/words", "messages": user("x"), "response_format": form}
    assert api.post(CHAT, json=body).json()["error"]["type"] == "internal_error"
    assert api.credits() == "100.0000"


def test_words_need_a_key_and_credits(api):
    body = {"model": "sandbox/words", "messages": user("x")}
    assert api.post(CHAT, "x" * 64, json=body).status_code == 401
    broke = api.post(CHAT, api.sandbox.empty_key, json=body)
    assert broke.json()["error"]["message"].startswith("Insufficient credits ")


def test_a_response(client, api):
    answer = client.responses.create(model="sandbox/words", instructions="Be brief.", input=QUESTION)
    assert (answer.object, answer.status) == ("response", "completed")
    assert answer.output_text.startswith(QUESTION)
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.usage.model_extra["cost"] > 0
    assert answer.model_extra["cost"] == 0.0002
    assert (api.last_call()["path"], api.last_call()["prompt"]) == (RESPONSES, QUESTION)


def test_a_response_to_a_picture(client, api, red_png):
    uri = f"data:image/png;base64,{base64.b64encode(red_png).decode()}"
    content = [{"type": "input_text", "text": "Score it."}, {"type": "input_image", "image_url": uri}]
    assert client.responses.create(model="sandbox/words", input=[{"role": "user", "content": content}]).output_text
    assert api.last_call()["images"] == [hashlib.sha256(red_png).hexdigest()]


def test_a_streamed_response(client):
    events = list(client.responses.create(model="sandbox/words", input=QUESTION, stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text
    assert events[-1].response.usage.model_extra["cost"] > 0


def test_a_response_that_calls_a_tool(client):
    tool = {"type": "function", **TOOL}
    first = client.responses.create(model="sandbox/words", input=QUESTION, tools=[tool])
    [call] = first.output
    assert (call.type, call.name) == ("function_call", "find_place")
    said = [{"role": "user", "content": QUESTION}, call.model_dump(exclude_none=True)]
    said.append({"type": "function_call_output", "call_id": call.call_id, "output": "Found."})
    assert client.responses.create(model="sandbox/words", input=said, tools=[tool]).output_text.startswith(QUESTION)
    events = list(client.responses.create(model="sandbox/words", input=QUESTION, tools=[tool], stream=True))
    arguments = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    assert arguments == call.arguments


def test_a_response_that_thinks_its_tokens_away(client):
    answer = client.responses.create(model="sandbox/words-thinks", input=QUESTION, max_output_tokens=100)
    assert (answer.status, answer.incomplete_details.reason, answer.output_text) == (
        "incomplete",
        "max_output_tokens",
        "",
    )
    assert answer.usage.output_tokens_details.reasoning_tokens == 100


SCHEMAS = [
    ({"type": "integer", "minimum": 3, "maximum": 3}, 3),
    ({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}, 4),
    ({"type": "number", "minimum": 0.5, "maximum": 0.5}, 0.5),
    ({"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 5}, 5),
    ({"type": "number", "minimum": 0.3, "maximum": 0.6, "multipleOf": 0.25}, 0.5),
    ({"const": "yes"}, "yes"),
    ({"anyOf": [{"type": "null"}, {"enum": ["a"]}]}, "a"),
    ({"type": ["null", "boolean"], "enum": [True]}, True),
    ({"type": "null"}, None),
    ({"type": "array", "items": {"const": 1}, "minItems": 5}, [1] * 5),
    ({"type": "array", "items": {"const": 1}, "maxItems": 2}, [1] * 2),
    ({"type": "array", "prefixItems": [{"const": 1}, {"const": "a"}], "minItems": 2, "maxItems": 2}, [1, "a"]),
    ({"type": "string", "format": "date"}, "2026-11-24"),
    ({"type": "string", "format": "duration"}, "PT12H"),
    ({"$ref": "#/$defs/one", "$defs": {"one": {"const": 1}}}, 1),
]


@pytest.mark.parametrize(("schema", "value"), SCHEMAS)
def test_values_fit_their_schema(client, schema, value):
    whole = {"type": "object", "properties": {"value": {k: v for k, v in schema.items() if k != "$defs"}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": whole | {"$defs": schema.get("$defs", {})}}}
    answer = ask(client, response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"value": value}


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        ({"type": "number", "exclusiveMaximum": 0}, lambda value: value < 0),
        ({"type": "number", "minimum": 0.0051, "maximum": 0.0059}, lambda value: 0.0051 <= value <= 0.0059),
        ({"type": "integer", "maximum": -5}, lambda value: value <= -5),
    ],
)
def test_numbers_keep_within_their_bounds(client, schema, fits):
    whole = {"type": "object", "properties": {"value": schema}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": whole}}
    assert fits(json.loads(ask(client, response_format=form).choices[0].message.content)["value"])


def test_a_schema_told_in_words_will_do(client):
    schema = json.dumps({"type": "object", "properties": {"score": {"const": 7}}})
    told = {"role": "system", "content": f"Answer in JSON, compatible with this schema:\n{schema}\nand nothing else."}
    answer = ask(client, messages=[told, *user(QUESTION)], response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content) == {"score": 7}


def test_a_schema_that_never_ends(client):
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    schema = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert json.loads(ask(client, response_format=form).choices[0].message.content)["next"]
