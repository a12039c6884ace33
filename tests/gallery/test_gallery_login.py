"""From the login form to the pictures of an example Dag, as a person comes to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.browser import Browser

from airflow_provider_imagerouter.sandbox.process import SandboxProcess
from airflow_provider_imagerouter.testing.runs import dagbag_module

if TYPE_CHECKING:
    from support.gallery_server import GalleryServer

pytestmark = [pytest.mark.needs_airflow("3.3"), pytest.mark.needs_chromium]

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "example_imagerouter_quickstart.py"


@pytest.fixture(autouse=True)
def logged_out(browser: Browser) -> Iterator[None]:
    """Cookies do not tell ports apart: another test's Airflow must not see these."""
    yield
    browser.forget()


def log_in(browser: Browser, gallery: GalleryServer, user: str) -> None:
    browser.open(gallery.url)
    browser.forget()
    browser.open(gallery.url)
    browser.type("//input[@name = 'username']", user)
    browser.type("//input[@name = 'password']", f"{gallery.passwords[user]}\n")
    browser.find("//a[contains(., 'Dags')] | //button[contains(., 'Dags')]")


def test_the_pictures_of_an_example_are_there_for_those_who_may_see_them(
    gallery: GalleryServer,
    browser: Browser,
    run_dag: Callable[..., Any],
    imagerouter_connection: SandboxProcess,
    root: Path,
) -> None:
    [dag] = dagbag_module().DagBag(EXAMPLE).dags.values()
    run = run_dag(dag, output_path=str(root))
    assert run.state == "success"
    page = f"{gallery.url}/dags/{dag.dag_id}/runs/{run.run_id}"
    pictures = "//a[normalize-space() = 'Pictures']"

    log_in(browser, gallery, "admin")
    browser.open(page)
    browser.click(pictures)
    browser.enter_frame()
    browser.wait(
        "return [...document.querySelectorAll('.picture img')].filter(one => one.naturalWidth > 0).length >= 2"
    )
    assert "A travel poster for" in browser.find("//main").text

    log_in(browser, gallery, "blind")
    browser.open(page)
    browser.click(pictures)
    browser.enter_frame()
    assert "Forbidden" in browser.find("//body").text
