from __future__ import annotations

import copy
import inspect
import pickle
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_imagerouter import exceptions

CLASSES = {
    name: value
    for name, value in vars(exceptions).items()
    if inspect.isclass(value) and issubclass(value, exceptions.ImageRouterError)
}
DRAWING = dict(re.findall(r"^[ │├└─]*(ImageRouter\w*Error)(.*)$", exceptions.__doc__ or "", re.MULTILINE))


def test_the_drawing_shows_every_class() -> None:
    assert set(DRAWING) == set(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_the_drawing_is_right(name: str) -> None:
    error_class = CLASSES[name]
    assert issubclass(error_class, AirflowException)
    try_again = DRAWING[name].strip()
    if try_again.startswith(("yes", "no")):
        assert try_again.startswith("no") is issubclass(error_class, AirflowFailException)


def test_the_drawing_tells_of_every_leaf() -> None:
    leaves = [name for name, value in CLASSES.items() if not set(value.__subclasses__()) & set(CLASSES.values())]
    assert len(leaves) > 10
    assert all(DRAWING[name].strip().startswith(("yes", "no")) for name in leaves)


@pytest.mark.parametrize("name", sorted(CLASSES))
@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_errors_survive_being_passed_on(name: str, again: object) -> None:
    error = CLASSES[name]("went wrong")
    error.billed, error.status_code, error.error_type = "unknown", 418, "teapot"
    found = again(error)
    assert type(found) is CLASSES[name]
    assert str(found) == "went wrong"
    assert (found.billed, found.status_code, found.error_type) == ("unknown", 418, "teapot")


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_another_message_changes_nothing_else(name: str) -> None:
    cause = ValueError("why")
    error = CLASSES[name]("It failed", status_code=418, error_type="teapot", billed="unknown", cost=Decimal("0.01"))
    error.retry_after, error.__cause__ = 3.0, cause
    found = error.with_message("It failed, and here is what to do")
    assert type(found) is CLASSES[name]
    assert str(found) == "It failed, and here is what to do"
    assert (found.status_code, found.error_type, found.billed, found.cost) == (
        418,
        "teapot",
        "unknown",
        Decimal("0.01"),
    )
    assert (found.retry_after, found.__cause__) == (3.0, cause)
    assert str(error) == "It failed"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_the_documents_have_an_entry_where_the_error_says(name: str) -> None:
    page, _, anchor = CLASSES[name]("It failed").entry.partition("#")
    headings = re.findall(r"^#+ (.+)$", (Path(__file__).parents[1] / page).read_text(), re.MULTILINE)
    assert anchor in [heading.lower().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_has_advice_of_its_own_that_fits_a_line_of_the_log(name: str) -> None:
    error = CLASSES[name]("It failed")
    assert len(f"{error.advice}: {error.entry}") <= 95
    assert [value for value in CLASSES.values() if value.advice == error.advice] == [CLASSES[name]]


@pytest.mark.parametrize("module", ["exceptions", "hooks.imagerouter"])
def test_any_module_may_be_imported_first(module: str) -> None:
    """Airflow reads the provider's description while it is itself being imported."""
    code = f"import airflow_provider_imagerouter.{module}"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert imported.returncode == 0, imported.stderr
