"""``@task.imagerouter`` in Dags that run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import DAG, XComArg, task
from support.attempts import RunningTask

from airflow_provider_imagerouter.exceptions import ImageRouterInputError, ImageRouterProviderError
from airflow_provider_imagerouter.sandbox.process import SandboxProcess

MODEL = "black-forest-labs/FLUX-1-schnell"
EITHER_WAY = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])


@pytest.fixture
def sandbox(imagerouter_connection) -> SandboxProcess:
    return imagerouter_connection


@pytest.fixture
def dag() -> DAG:
    return DAG("decorated")


def calls(sandbox: SandboxProcess) -> list[tuple[str, str]]:
    return [(call["path"].rpartition("/images/")[2], call["prompt"]) for call in sandbox.ledger()["calls"]]


@EITHER_WAY
def test_a_function_that_returns_a_prompt_makes_a_picture(deferrable, dag, run_dag, sandbox, tmp_path):
    with dag:

        @task.imagerouter(model=MODEL, size="96x64", output_path=str(tmp_path), deferrable=deferrable)
        def poster(city: str) -> str:
            return f"A poster of {city}"

        poster("Turku")

    run = run_dag(dag)

    (record,) = run.xcom("poster")
    assert (record["prompt"], record["model"]) == ("A poster of Turku", MODEL)
    assert (record["width"], record["height"]) == (96, 64)
    assert record["path"] in {file.as_uri() for file in tmp_path.iterdir()}
    assert run.xcom("poster", "cost_usd") == record["cost_usd"] == 0.0013
    assert calls(sandbox) == [("generations", "A poster of Turku")]


def test_it_works_without_parentheses_and_with_the_connections_model(dag, run_dag, sandbox, monkeypatch):
    connection = sandbox.connection_uri().replace("}", f', "extra": {{"default_model": "{MODEL}"}}}}')
    monkeypatch.setenv("AIRFLOW_CONN_IMAGEROUTER_DEFAULT", connection)
    with dag:

        @task.imagerouter
        def poster():
            return "A poster"

        poster()

    assert run_dag(dag).xcom("poster")[0]["model"] == MODEL


@EITHER_WAY
def test_a_function_that_returns_a_picture_edits_it(deferrable, dag, run_dag, sandbox, tmp_path):
    with dag:

        @task.imagerouter(model="test/test", output_path=str(tmp_path))
        def poster() -> str:
            return "A poster"

        # The annotation must not make Airflow take the records apart into several XComs.
        @task.imagerouter(model="test/test", size="64x64", deferrable=deferrable)
        def by_night(posters: list) -> dict:
            return {"prompt": "By night", "image": posters, "model": MODEL, "n": 2}

        by_night(poster())

    run = run_dag(dag)

    assert [record["model"] for record in run.xcom("by_night")] == [MODEL, MODEL]
    assert calls(sandbox) == [("generations", "A poster"), *2 * [("edits", "By night")]]
    assert sandbox.ledger()["calls"][1]["images"] == [run.xcom("poster")[0]["sha256"]]


def test_the_picture_can_be_the_decorators_parameter(dag, run_dag, sandbox, tmp_path):
    with dag:

        @task.imagerouter(model=MODEL, output_path=str(tmp_path))
        def poster() -> str:
            return "A poster"

        original = poster()

        @task.imagerouter(model=MODEL, image=original, mask=original)
        def by_night() -> str:
            return "By night"

        by_night()

    run = run_dag(dag)

    assert run.task_state("by_night") == "success"
    edit = sandbox.ledger()["calls"][1]
    assert (edit["images"], edit["mask"]) == ([run.xcom("poster")[0]["sha256"]], edit["images"][0])


def test_a_picture_that_came_to_nothing_costs_nothing(dag, run_dag, sandbox):
    with dag:

        @task
        def nothing(): ...

        @task.imagerouter(model=MODEL, image=nothing())
        def by_night() -> str:
            return "By night"

        by_night()

    assert run_dag(dag).task_state("by_night") == "failed"
    assert calls(sandbox) == []


@EITHER_WAY
def test_prompts_are_mapped_and_collected(deferrable, dag, run_dag, sandbox, tmp_path):
    with dag:

        @task
        def cities():
            return ["Lisbon", "Turku"]

        @task.imagerouter(model=MODEL, output_path=str(tmp_path), deferrable=deferrable)
        def poster(city: str, style: str) -> str:
            return f"{city} in {style}"

        @task
        def count(posters):
            return [[record["prompt"] for record in records] for records in posters]

        count(poster.partial(style="oil").expand(city=cities()))

    run = run_dag(dag)

    assert run.xcom("count") == [["Lisbon in oil"], ["Turku in oil"]]
    assert sorted(calls(sandbox)) == [("generations", "Lisbon in oil"), ("generations", "Turku in oil")]
    assert len(list(tmp_path.glob("*.webp"))) == 2


def test_override_changes_parameters_of_the_operator_and_of_the_task(dag, run_dag, sandbox):
    with dag:

        @task.imagerouter(model="no/such", size="64x64")
        def poster(city: str) -> str:
            return f"A poster of {city}"

        poster.override(task_id="small", model=MODEL, n=2)("Turku")

    run = run_dag(dag)

    assert [(record["model"], record["width"]) for record in run.xcom("small")] == 2 * [(MODEL, None)]
    assert [call["parameters"] for call in sandbox.ledger()["calls"]] == 2 * [{"size": "64x64"}]


def test_functions_get_the_context(dag, run_dag, sandbox):
    with dag:

        @task.imagerouter(model=MODEL)
        def by_name(run_id=None, params=None) -> str:
            return f"{params['city']} in {run_id}"

        @task.imagerouter(model=MODEL)
        def by_keywords(**context) -> str:
            return f"{context['params']['city']} in {context['run_id']}"

        by_name()
        by_keywords()

    run = run_dag(dag, city="Turku")

    assert run.xcom("by_name")[0]["prompt"] == run.xcom("by_keywords")[0]["prompt"] == f"Turku in {run.run_id}"


def test_returned_strings_are_templates_and_records_are_not(dag, run_dag, sandbox, tmp_path):
    (tmp_path / "night.prompt").write_text("{{ params.city }} by night")
    dag.template_searchpath = [str(tmp_path)]
    with dag:

        @task.imagerouter(model=MODEL, output_path=str(tmp_path / "pictures"))
        def poster() -> str:
            return "{{ params.city }}, {{ '{{ braces }}' }}"

        @task.imagerouter
        def by_night(posters: list) -> dict:
            return {"prompt": "night.prompt", "model": "{{ params.model }}", "image": posters}

        by_night(poster())

    assert run_dag(dag, city="Turku", model=MODEL).state == "success"
    assert calls(sandbox) == [("generations", "Turku, {{ braces }}"), ("edits", "Turku by night")]


BAD_RETURN_VALUES = [
    (None, r"poster\(\) must return a prompt \(a string\) or a dict of parameters, not NoneType"),
    (["A poster"], "not list"),
    (b"A poster", "not bytes"),
    ("", "prompt was given, but came to ''"),
    (" \n", "prompt was given, but came to"),
    ({"size": "64x64"}, "no prompt and no image"),
    ({"prompt": "A poster", "image": ""}, "image was given, but came to ''"),
    ({"prompt": "A poster", "image": []}, "image takes 1 to 16 pictures, not 0"),
    ("x" * 20_001, "20001 characters"),
    ({"prompt": 7}, "prompt must be a string, not int"),
    ({"prompt": "A poster", "sise": "64x64"}, r"unknown parameters \['sise'\]; allowed: prompt, model"),
    ({"prompt": "A poster", 7: "64x64"}, r"unknown parameters \[7\]"),
    ({"prompt": "A poster", "size": "big"}, "size must be"),
    ({"prompt": "A poster", "n": 0}, "n must be"),
    ({"prompt": "A poster", "image": None}, "image was given, but came to None"),
    ({"prompt": "A poster", "image": "a.png", "mask": None}, "mask was given, but came to None"),
    ({"prompt": None, "image": "a.png"}, "prompt was given, but came to None"),
    ({"prompt": "A poster", "mask": "mask.png"}, "a mask, but no image"),
]


@pytest.mark.parametrize(("returned", "message"), BAD_RETURN_VALUES, ids=lambda value: str(value)[:40])
@EITHER_WAY
def test_a_bad_return_value_is_an_error_before_anything_is_paid(returned, message, deferrable, sandbox):
    with DAG("decorated"):

        @task.imagerouter(model=MODEL, deferrable=deferrable)
        def poster():
            return returned

        operator = poster().operator

    with pytest.raises(ImageRouterInputError, match=message):
        operator.execute({"ti": RunningTask("poster")})
    assert calls(sandbox) == []


def test_a_bad_return_value_is_not_tried_again(dag, run_dag, sandbox, tmp_path):
    trace = tmp_path / "calls"
    with dag:

        @task.imagerouter(model=MODEL, retries=2, retry_delay=timedelta(0))
        def poster():
            with trace.open("a") as file:
                file.write("called\n")

        poster()

    assert run_dag(dag).task_state("poster") == "failed"
    assert trace.read_text() == "called\n"


@pytest.mark.parametrize(
    "deferrable",
    # Airflow 3.0's `dag.test` does not try a resumed task again.
    [False, pytest.param(True, marks=pytest.mark.needs_airflow("3.1"))],
    ids=["in the worker", "deferred"],
)
def test_the_function_is_called_once_for_each_try_and_nothing_is_paid_twice(
    deferrable, dag, run_dag, sandbox, tmp_path
):
    trace = tmp_path / "calls"
    with dag:

        @task.imagerouter(
            model="sandbox/flaky",
            output_path=str(tmp_path / "pictures"),
            deferrable=deferrable,
            retries=1,
            retry_delay=timedelta(0),
        )
        def poster() -> str:
            with trace.open("a") as file:
                file.write("called\n")
            return "A poster"

        poster()

    run = run_dag(dag)

    assert run.xcom("poster")[0]["prompt"] == "A poster"
    assert trace.read_text() == 2 * "called\n"
    assert [call["status"] for call in sandbox.ledger()["calls"]] == ["error", "success"]


@pytest.mark.needs_airflow("3.3")  # before, `dag.test` tells callbacks of no exception, or calls none
@EITHER_WAY
def test_errors_of_the_api_keep_their_class(deferrable, dag, run_dag, sandbox):
    errors: list[BaseException] = []
    with dag:

        @task.imagerouter(
            model="sandbox/fails",
            deferrable=deferrable,
            on_failure_callback=lambda context: errors.append(context["exception"]),
        )
        def poster() -> str:
            return "A poster"

        poster()

    assert run_dag(dag).task_state("poster") == "failed"
    assert [type(error) for error in errors] == [ImageRouterProviderError]


@EITHER_WAY
def test_the_prompt_is_shown_among_the_rendered_fields(deferrable, dag, run_dag, sandbox):
    from airflow.models.renderedtifields import RenderedTaskInstanceFields

    with dag:

        @task.imagerouter(model=MODEL, deferrable=deferrable)
        def poster() -> str:
            return "A poster of {{ params.city }}"

        poster()

    run = run_dag(dag, city="Turku")
    shown = RenderedTaskInstanceFields.get_templated_fields(run._task_instance("poster", -1))
    assert shown["prompt"] == "A poster of Turku"


def test_default_args_reach_it():
    with DAG("decorated", default_args={"output_path": "pictures", "n": 3}):

        @task.imagerouter(model=MODEL)
        def poster() -> str:
            return "A poster"

        operator = poster().operator

    assert (operator.output_path, operator.n, operator.operator_name) == ("pictures", 3, "@task.imagerouter")


@pytest.mark.parametrize(
    "parameters",
    [{"size": "big"}, {"n": 0}, {"quality": "best"}, {"max_cost_usd": -1}, {"filename": "/"}],
    ids=str,
)
def test_bad_parameters_are_found_when_the_dag_is_parsed(parameters):
    @task.imagerouter(**parameters)
    def poster() -> str:
        return "A poster"

    with DAG("decorated"), pytest.raises(ImageRouterInputError, match=next(iter(parameters))):
        poster()


def test_a_list_of_records_cannot_be_taken_apart_into_several_xcoms():
    with pytest.raises(TypeError, match="multiple_outputs"):

        @task.imagerouter(multiple_outputs=True)
        def poster() -> dict:
            return {"prompt": "A poster"}


def test_what_the_function_returns_goes_before_what_the_decorator_says(dag, run_dag, sandbox):
    with dag:

        @task.imagerouter(model="no/such", prompt="By day", size="64x64")
        def poster() -> dict:
            return {"model": MODEL, "size": "32x32"}

        poster()

    assert run_dag(dag).state == "success"
    (call,) = sandbox.ledger()["calls"]
    assert (call["prompt"], call["parameters"]) == ("By day", {"size": "32x32"})


def test_upstream_tasks_of_arguments_and_parameters_are_known():
    with DAG("decorated") as dag:

        @task
        def city(): ...

        @task
        def folder(): ...

        @task.imagerouter(output_path=folder())
        def poster(city: str) -> str:
            return city

        found = poster(city())

    assert isinstance(found, XComArg)
    assert dag.get_task("poster").upstream_task_ids == {"city", "folder"}


def test_other_models_may_be_the_decorators_or_the_functions(dag, run_dag, sandbox):
    with dag:

        @task.imagerouter(model="sandbox/fails", fallback_models=[MODEL])
        def from_decorator() -> str:
            return "A"

        @task.imagerouter(model="sandbox/fails", fallback_models=["sandbox/times-out"])
        def from_function() -> dict:
            return {"prompt": "B", "fallback_models": [MODEL]}

        from_decorator()
        from_function()

    run = run_dag(dag)
    assert [run.xcom(name)[0]["model"] for name in ("from_decorator", "from_function")] == [MODEL, MODEL]
    assert sorted(call["model"] for call in sandbox.ledger()["calls"]) == [
        MODEL,
        MODEL,
        "sandbox/fails",
        "sandbox/fails",
    ]
