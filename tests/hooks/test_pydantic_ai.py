"""common-ai's hook on ImageRouter: whose key it uses, what it asks, what it makes of the answers."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from decimal import Decimal

import pytest
from airflow.sdk import DAG, task
from support.raw_server import RawServer, answer

pytestmark = pytest.mark.needs_airflow("3.3")

AI = "AIRFLOW_CONN_PYDANTICAI_IMAGEROUTER_DEFAULT"
CONN_ID = "pydanticai_imagerouter_default"
CATALOGUE = json.dumps(
    [{"id": "a/model", "architecture": {"output_modalities": ["text"]}, "pricing": {"prompt": "1e-6"}}]
)
HELLO = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "a/model",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
    }
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def connect(monkeypatch):
    """Set the connection for words: nothing but what is given, above all no key."""
    return lambda **extra: monkeypatch.setenv(AI, json.dumps({"conn_type": "pydanticai_imagerouter", "extra": extra}))


@pytest.fixture
def server_answers(monkeypatch):
    """Have ``imagerouter_default`` lead to a server that plays scripts."""

    def serve(*scripts) -> RawServer:
        server = RawServer(*scripts)
        connection = {
            "conn_type": "imagerouter",
            "host": server.url,
            "password": "k" * 64,
            "extra": {"retry_timeout": 5},
        }
        monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", json.dumps(connection))
        monkeypatch.setenv(AI, "pydanticai-imagerouter://")
        return server

    return serve


def get_hook(model: str | None = None, **params):
    """Return the hook as common-ai's operators get theirs."""
    from airflow.providers.common.ai.hooks.pydantic_ai import PydanticAIHook

    return PydanticAIHook.get_hook(CONN_ID, hook_params={"model_id": model, **params})


def ask(model: str | None = None, question="A lighthouse", output_type=str, usage_limits=None, **params):
    agent = get_hook(model, **params).create_agent(output_type, instructions="Be brief.")
    return agent.run_sync(question, usage_limits=usage_limits)


def test_key_and_address_are_those_of_the_imagerouter_connection(imagerouter_sandbox, connect, monkeypatch):
    from pydantic_ai.exceptions import ModelQuotaExceededError

    connect(model="openai/gpt-5-mini")
    assert ask().output.startswith("A lighthouse")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", imagerouter_sandbox.connection_uri(key=imagerouter_sandbox.empty_key))
    connect(model="openai/gpt-5-mini", imagerouter_conn_id="other")
    with pytest.raises(ModelQuotaExceededError, match="Insufficient credits"):
        ask()
    assert [call["account"] for call in imagerouter_sandbox.ledger()["calls"]] == ["rich", "empty"]


@pytest.mark.parametrize(
    ("model", "endpoint"),
    [
        ("sandbox/words", "chat/completions"),
        ("openai-chat:sandbox/words", "chat/completions"),
        ("openai:sandbox/words", "responses"),
        ("openai-responses:sandbox/words", "responses"),
    ],
)
def test_both_endpoints_give_structured_output_and_its_cost(imagerouter_sandbox, model, endpoint):
    result = ask(model, output_type=list[str])
    assert len(result.output) == 3
    (call,) = imagerouter_sandbox.ledger()["calls"]
    assert call["path"] == f"/v1/openai/{endpoint}"
    assert result.usage.cost == Decimal(str(call["cost"])) > 0


def test_a_model_goes_by_its_maker_not_by_openai(imagerouter_sandbox):
    assert get_hook("openai/gpt-5-mini").get_conn().profile["openai_supports_reasoning"]
    assert not get_hook("anthropic/claude-haiku-4.5").get_conn().profile.get("openai_supports_reasoning")


def test_a_limit_of_common_ais_own_knows_the_true_cost(imagerouter_sandbox):
    from pydantic_ai.exceptions import UsageLimitExceeded
    from pydantic_ai.usage import UsageLimits

    with pytest.raises(UsageLimitExceeded, match=r"cost_limit.*0\.0002"):
        ask("sandbox/words", usage_limits=UsageLimits(cost_limit=Decimal("0.0001")))


@pytest.mark.parametrize("prefix", ["", "openai:"])
def test_an_error_in_a_200_is_an_error(imagerouter_sandbox, prefix):
    from pydantic_ai.exceptions import ModelHTTPError

    with pytest.raises(ModelHTTPError, match="The provider failed to answer") as failed:
        ask(f"{prefix}sandbox/words-fails")
    assert failed.value.status_code == 502
    assert len(imagerouter_sandbox.ledger()["calls"]) == 1


@pytest.mark.parametrize(
    ("message", "error_type", "status"),
    [
        ("Insufficient credits (this model needs minimum $0.3 credits)", "internal_error", 402),
        ("This model does not support image inputs", "internal_error", 400),
        ("Rejected by content policy", "provider_error", 400),
        ("Failed to postlog usage for a/model 7", "internal_error", 500),
    ],
)
def test_an_error_in_a_200_gets_the_status_it_would_have(server_answers, message, error_type, status):
    from pydantic_ai.exceptions import ModelHTTPError

    body = json.dumps({"error": {"message": message, "type": error_type}})
    replies = answer(CATALOGUE), answer(body, content_type=None)
    with server_answers(*replies) as server, pytest.raises(ModelHTTPError) as failed:
        ask("a/model")
    assert (failed.value.status_code, failed.value.body["message"]) == (status, message)
    assert server.posts == 1


def test_another_connection_is_asked_where_the_provider_failed(imagerouter_sandbox, connect, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_SECOND", json.dumps({"conn_type": "pydanticai_imagerouter", "extra": {"model": "sandbox/words"}})
    )
    connect(model="sandbox/words-fails", fallback_conn_ids=["second"])
    assert ask().output.startswith("A lighthouse")
    assert [call["status"] for call in imagerouter_sandbox.ledger()["calls"]] == ["error", "success"]


def test_a_call_that_was_refused_for_the_moment_is_sent_again(imagerouter_sandbox):
    assert ask("sandbox/words-rate-limited").output.startswith("A lighthouse")
    assert [call["status"] for call in imagerouter_sandbox.ledger()["calls"]] == ["refused", "success"]


@pytest.mark.parametrize(
    "script", [lambda visitor: visitor.reset(), answer("Bad gateway", "502 Bad Gateway", content_type="text/html")]
)
def test_a_call_that_may_have_run_is_not(server_answers, script):
    from pydantic_ai.exceptions import ModelAPIError

    with server_answers(answer(CATALOGUE), script) as server, pytest.raises(ModelAPIError):
        ask("a/model")
    assert server.posts == 1


def test_the_key_does_not_go_along_a_redirect(server_answers):
    from pydantic_ai.exceptions import ModelAPIError

    with RawServer(answer(HELLO)) as elsewhere:
        away = answer("", "307 Temporary Redirect", location=f"{elsewhere.url}/v1/openai/chat/completions")
        with server_answers(answer(CATALOGUE), away), pytest.raises(ModelAPIError):
            ask("a/model")
        assert elsewhere.requests == []


def test_an_answer_without_usage_and_content_type_will_do(server_answers):
    with server_answers(answer(CATALOGUE), answer(f"   {HELLO}", content_type=None)):
        result = ask("a/model")
    assert (result.output, result.usage.cost) == ("Hello", None)


@pytest.mark.parametrize(
    "script",
    [
        answer(f"No such key: {'k' * 64}", "401 Unauthorized", content_type="text/plain"),
        answer(json.dumps({"error": {"message": f"No such key: {'k' * 64}"}})),
        f"HTTP/1.1 200 OK\r\nbroken {'k' * 64}\r\n\r\n".encode(),
    ],
)
def test_a_key_that_a_server_echoes_is_in_no_error(server_answers, script, caplog):
    from pydantic_ai.exceptions import ModelAPIError

    with server_answers(answer(CATALOGUE), script), pytest.raises(ModelAPIError) as failed:
        ask("a/model")
    told = "".join(traceback.format_exception(failed.value)) + caplog.text
    assert "k" * 64 not in told


def test_what_a_failed_answer_cost_counts(server_answers, run_dag):
    body = json.dumps({"error": {"message": "It failed", "type": "provider_error"}, "latency": 5, "cost": 0.5})
    with server_answers(answer(CATALOGUE), answer(body)), DAG("failed") as dag:

        @task.llm(llm_conn_id=CONN_ID, model_id="a/model")
        def greet() -> str:
            return "Greet me"

        greet()
        run = run_dag(dag)
    assert (run.task_state("greet"), run.xcom("greet", "cost_usd")) == ("failed", 0.5)


def test_a_model_that_draws_is_refused_before_anything_is_sent(imagerouter_sandbox):
    from airflow_provider_imagerouter.exceptions import ImageRouterInputError

    with pytest.raises(ImageRouterInputError, match="FLUX-1-schnell makes image, not text"):
        ask("black-forest-labs/FLUX-1-schnell")
    with pytest.raises(ImageRouterInputError, match="must be an id of ImageRouter's"):
        ask("anthropic:claude-haiku-4.5")
    assert imagerouter_sandbox.ledger()["calls"] == []


def test_a_model_that_the_catalogue_lacks_is_warned_of_and_asked(imagerouter_sandbox, caplog):
    from pydantic_ai.exceptions import ModelHTTPError

    with pytest.raises(ModelHTTPError, match="not available"):
        ask("openai/gpt5-mini")
    assert "no model 'openai/gpt5-mini'. Near it: openai/gpt-5-mini" in caplog.text


def test_a_catalogue_that_cannot_be_had_stops_nobody(server_answers, caplog):
    broken = answer("[]", "500 Internal Server Error")
    with server_answers(broken, answer(HELLO)):
        assert ask("a/model").output == "Hello"
    assert "a/model could not be looked up" in caplog.text


def test_the_test_button_tells_key_and_model(imagerouter_sandbox, connect):
    connect(model="openai/gpt-5-mini")
    assert get_hook().test_connection() == (
        True,
        "Connected; the account holds $100.0000; openai/gpt-5-mini is a text model",
    )
    connect(model="openai/gpt5-mini")
    assert get_hook().test_connection()[1].endswith("Near it: openai/gpt-5-mini")
    connect()
    good, said = get_hook().test_connection()
    assert (good, "No model" in said) == (False, True)


def test_a_task_says_what_its_words_cost_in_all_attempts_although_it_failed(imagerouter_sandbox, run_dag):
    with DAG("words") as dag:

        @task.llm(llm_conn_id=CONN_ID, model_id="sandbox/words")
        def greet() -> str:
            return "Greet me"

        @task.llm(
            llm_conn_id=CONN_ID,
            model_id="sandbox/words-thinks",
            model_settings={"max_tokens": 100},
            retries=1,
            retry_delay=0,
        )
        def think() -> str:
            return "Think"

        greet()
        think()
    run = run_dag(dag)
    assert [run.task_state(name) for name in ("greet", "think")] == ["success", "failed"]
    greeting, *thoughts = sorted(imagerouter_sandbox.ledger()["calls"], key=lambda call: call["prompt"])
    assert run.xcom("greet", "cost_usd") == greeting["cost"]
    assert len(thoughts) == 2
    assert run.xcom("think", "cost_usd") == pytest.approx(sum(call["cost"] for call in thoughts))


def test_agents_call_tools_and_branches_are_chosen(imagerouter_sandbox, run_dag):
    from pydantic_ai.toolsets import FunctionToolset

    asked = []

    def find_colours(city: str) -> str:
        """Find the colours of a city."""
        asked.append(city)
        return "blue and white"

    words = {"llm_conn_id": CONN_ID, "model_id": "sandbox/words", "system_prompt": "Be brief."}
    with DAG("agents") as dag:

        @task.agent(toolsets=[FunctionToolset([find_colours])], **words)
        def describe() -> str:
            return "Lisbon"

        @task.llm_branch(**words)
        def choose(description: str) -> str:
            return f"Which one fits? {description}"

        @task
        def draw() -> None: ...

        @task
        def skip() -> None: ...

        choose(describe()) >> [draw(), skip()]
    run = run_dag(dag)
    assert run.state == "success"
    assert asked[0].startswith("Lisbon")
    assert {run.task_state("draw"), run.task_state("skip")} == {"success", "skipped"}
    described = [call["cost"] for call in imagerouter_sandbox.ledger()["calls"] if call["prompt"] == "Lisbon"]
    assert len(described) == 2
    assert run.xcom("describe", "cost_usd") == pytest.approx(sum(described))
    assert float(run.xcom("describe", "usage")["cost"]) == run.xcom("describe", "cost_usd")


@pytest.mark.parametrize("prefix", ["", "openai:"])
async def test_a_streamed_answer_comes_whole_and_its_errors_are_errors(imagerouter_sandbox, prefix):
    from pydantic_ai.exceptions import ModelAPIError

    async def stream(model: str) -> str:
        async with get_hook(f"{prefix}{model}").create_agent(instructions="Be brief.").run_stream("A fox") as result:
            return "".join([piece async for piece in result.stream_text(delta=True)])

    assert (await stream("sandbox/words")).startswith("A fox, ")
    assert (await stream("sandbox/words-rate-limited")).startswith("A fox, ")
    with pytest.raises(ModelAPIError, match="The provider failed to answer"):
        await stream("sandbox/words-fails")


WITHOUT = """
import sys
sys.modules |= dict.fromkeys(("airflow.providers.common.ai.hooks", "httpx2", "openai", "pydantic_ai"))
"""


def run_without_the_extra(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", f"{WITHOUT}\n{code}"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_without_the_extra_it_says_what_to_install():
    code = """
from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException
try:
    import airflow_provider_imagerouter.hooks.pydantic_ai
except AirflowOptionalProviderFeatureException as error:
    print(error)
"""
    assert run_without_the_extra(code).endswith("pip install 'airflow-provider-imagerouter[ai]'")


def test_without_the_extra_nothing_else_is_missed():
    code = """
from airflow.providers_manager import ProvidersManager
hooks = ProvidersManager().hooks
print(hooks["imagerouter"].hook_name, [name for name in sys.modules if name.startswith(("pydantic_ai.", "openai."))])
"""
    assert run_without_the_extra(code) == "ImageRouter []"
