"""
The gallery in Airflow's own pages, in a browser.

GALLERY_SCREENSHOTS names a folder that screenshots are saved to (`make screenshots`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.browser import Browser
from support.real_airflow import RealAirflow, Run
from support.waiting import wait_for

pytestmark = [pytest.mark.needs_airflow("3.3"), pytest.mark.needs_chromium]

PICTURES = 15
ALL_LOADED = """
if (document.readyState !== 'complete') return 0;
const shown = [...document.querySelectorAll('.frame img, .frame video')];
for (const one of shown) if (one.loading === 'lazy') one.loading = 'eager';
for (const one of shown) if (one.tagName === 'VIDEO') one.scrollIntoView();
return shown.every(one => one.naturalWidth > 0 || one.videoWidth > 0) && shown.length;
"""
PROMPT = "return document.querySelector('#viewer[open] .record h2')?.textContent"


@pytest.fixture(scope="module")
def campaign(real_airflow: RealAirflow) -> Run:
    """A run of the Dag, finished."""
    run = real_airflow.trigger("poster_campaign", output_path=str(real_airflow.home / "pictures"))
    assert run.wait_for_run(300) == "failed"  # one of its tasks is refused
    return run


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("GALLERY_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def watched(browser: Browser, real_airflow: RealAirflow) -> Iterator[None]:
    """Each test starts light and on a large screen, and leaves no complaint about the gallery in the console."""
    browser.open(f"{real_airflow.url}/")
    browser.resize(1400, 1000)
    browser.run("localStorage.theme = 'light'")
    browser.requests()
    browser.complaints()
    yield
    browser.resize(1400, 1400)
    browser.run("localStorage.removeItem('theme')")
    assert not [complaint for complaint in browser.complaints() if "imagerouter" in complaint or "Policy" in complaint]


def open_run(browser: Browser, run: Run) -> None:
    """Open the tab of the run by hand."""
    browser.open(f"{run.airflow.url}/dags/{run.dag_id}/runs/{run.run_id}")
    browser.click("//a[normalize-space() = 'Pictures']")
    browser.enter_frame()


def open_task(browser: Browser, run: Run, task_id: str) -> None:
    """Open the tab of a task by hand."""
    browser.open(f"{run.airflow.url}/dags/{run.dag_id}/runs/{run.run_id}/tasks/{task_id}")
    browser.click("//a[normalize-space() = 'Pictures']")
    browser.enter_frame()


def own_page(run: Run) -> str:
    return f"{run.airflow.url}/imagerouter/dags/{run.dag_id}/runs/{run.run_id}/"


def origin(url: str) -> str:
    return f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"


def test_the_runs_tab_shows_every_picture(browser: Browser, campaign: Run, screenshots: Path) -> None:
    """Those that are links only come from the API, which does not learn where they are looked at; nothing else does."""
    open_run(browser, campaign)
    assert browser.wait(ALL_LOADED) == PICTURES + 1  # and what the edit was made from
    assert browser.run("return document.querySelectorAll('.picture[id]').length") == PICTURES
    assert browser.find("//dt[. = 'Pictures']/../dd").text == str(PICTURES)
    assert browser.find("//dt[. = 'Failed']/../dd").text == "3"
    failures = browser.find("//*[@id = 'failures']").text
    assert "A chair that nobody may draw" in failures
    assert "What no provider wants to draw" in failures

    link = campaign.xcom("sketch")[0]["url"]
    asked = [request for request in browser.requests() if request["url"].startswith("http")]
    elsewhere = [request for request in asked if origin(request["url"]) != campaign.airflow.url]
    assert {request["url"] for request in elsewhere} == {link}
    assert not [request for request in elsewhere if request["headers"].get("Referer")]

    browser.click("//select[@name = 'sort']/option[. = 'Newest first']")
    browser.wait("return location.search.includes('sort=-time')")
    browser.wait(ALL_LOADED)
    browser.run("scrollTo(0, 0)")
    browser.screenshot(screenshots / "gallery-run-light.png")


def test_search_and_order(browser: Browser, campaign: Run) -> None:
    open_run(browser, campaign)
    browser.type("//input[@name = 'q']", "PURPLE chair\n")
    browser.wait("return location.search.includes('q=PURPLE')")
    assert browser.wait("return [...document.querySelectorAll('.prompt')].map(p => p.textContent).join('|')") == (
        "A purple chair on a white background"
    )
    browser.open(own_page(campaign))
    browser.click("//select[@name = 'sort']/option[. = 'Dearest first']")
    browser.wait("return location.search.includes('sort=-cost')")
    assert browser.wait("return document.querySelector('.prompt')?.textContent") == "A sign"


def test_the_viewer_is_moved_through_by_keys(browser: Browser, campaign: Run) -> None:
    open_task(browser, campaign, "catalogue")
    browser.click("(//a[contains(@class, 'open')])[1]")
    assert "red chair" in browser.wait(PROMPT)
    assert campaign.xcom("catalogue")["results_path"].rpartition("/")[0] in browser.find("//dialog").text
    browser.press("ARROW_RIGHT")
    browser.press("ARROW_RIGHT")
    assert "blue chair" in browser.wait(PROMPT)
    assert browser.wait("return document.querySelector('.stage img').naturalWidth") == 1024
    name = browser.run("return location.hash")
    browser.press("ARROW_LEFT")
    assert "green chair" in browser.wait(PROMPT)
    browser.press("ESCAPE")
    browser.wait("return !document.querySelector('#viewer').open")
    browser.wait("return document.activeElement.ariaLabel?.includes('green chair')")

    browser.open(f"{own_page(campaign)}tasks/catalogue/-1/{name}")
    assert "blue chair" in browser.wait(PROMPT)


def test_an_edit_is_compared_with_what_it_was_made_from(browser: Browser, campaign: Run, screenshots: Path) -> None:
    browser.run("localStorage.theme = 'dark'")
    open_task(browser, campaign, "autumn")
    assert browser.wait(ALL_LOADED) == 2
    browser.click("//a[contains(@class, 'open')]")
    clip = "return getComputedStyle(document.querySelector('.stage .after')).clipPath"
    assert "50%" in browser.wait(clip)
    browser.run("document.querySelector('.compare input').focus()")
    browser.press("ARROW_LEFT")
    browser.press("ARROW_LEFT")
    assert "48%" in browser.wait(clip)
    assert browser.run("return getComputedStyle(document.documentElement).colorScheme") == "dark"
    browser.wait("return [...document.querySelectorAll('.stage img')].every(image => image.naturalWidth)")
    browser.screenshot(screenshots / "gallery-edit-dark.png")


def test_a_video_plays_and_seeks(browser: Browser, campaign: Run) -> None:
    open_task(browser, campaign, "trailer")
    browser.click("//a[contains(@class, 'open')]")
    browser.wait("return document.querySelector('.stage video')?.readyState > 0")
    browser.run("const video = document.querySelector('.stage video'); video.muted = true; video.play()")
    browser.wait("return document.querySelector('.stage video').currentTime > 0.2")
    browser.run("const video = document.querySelector('.stage video'); video.pause(); video.currentTime = 4")
    browser.wait(
        "const video = document.querySelector('.stage video'); return !video.seeking && video.currentTime === 4"
    )
    video = [request for request in browser.requests() if "/files/" in request["url"]]
    assert any("Range" in request["headers"] for request in video)


def test_an_svg_is_a_picture_and_nothing_more(browser: Browser, campaign: Run) -> None:
    open_task(browser, campaign, "sign")
    assert browser.wait(ALL_LOADED) == 1
    browser.click("//a[contains(@class, 'open')]")
    assert browser.wait("return document.querySelector('.stage img')?.naturalWidth") == 1024


def test_mapped_tasks_lead_to_each_other(browser: Browser, campaign: Run) -> None:
    browser.open(f"{own_page(campaign)}tasks/cities/0/")
    assert browser.wait(ALL_LOADED) == 1
    browser.click("//nav[@aria-label = 'Instances of this task']/a[contains(., 'Faro')]")
    browser.find("//*[@aria-current = 'page'][contains(., 'cities [Faro]')]")


def test_other_tasks_say_kindly_that_there_is_nothing(browser: Browser, campaign: Run) -> None:
    open_task(browser, campaign, "count")
    assert browser.find("//*[@class = 'nothing']/p").text == "This task made no pictures with ImageRouter."


def test_what_airflows_frame_forbids_works(browser: Browser, campaign: Run, tmp_path: Path) -> None:
    """New tabs, downloads, and other pages of Airflow."""
    browser.save_downloads(tmp_path)
    open_task(browser, campaign, "posters")
    browser.click("(//a[contains(@class, 'open')])[1]")
    browser.click("//a[@data-save]")
    wait_for("the download", lambda: list(tmp_path.glob("*.webp")))
    browser.press("ESCAPE")
    browser.click("//a[normalize-space() = 'Zip']")
    wait_for("all pictures", lambda: list(tmp_path.glob("*.zip")))
    browser.click("//a[normalize-space() = 'CSV']")
    wait_for("their records", lambda: list(tmp_path.glob("*.csv")))
    browser.click("//a[normalize-space() = 'Own page']")
    assert browser.new_tab() == f"{own_page(campaign)}tasks/posters/%7BMAP_INDEX%7D/"
    browser.enter_frame()
    browser.click("(//a[contains(@class, 'open')])[1]")
    browser.click("//dialog//dd/a[. = 'posters']")
    path = f"/dags/{campaign.dag_id}/runs/{campaign.run_id}/tasks/posters"
    browser.leave_frame()
    browser.wait("return location.pathname === arguments[0]", path)


def test_the_theme_follows_airflows(browser: Browser, campaign: Run) -> None:
    open_run(browser, campaign)
    scheme = "return getComputedStyle(document.documentElement).colorScheme"
    assert browser.wait(f"{scheme} === 'light'")
    browser.run("parent.localStorage.theme = 'dark'")  # the frame is told as other pages are
    assert browser.wait(f"{scheme} === 'dark'")


def test_a_phone(browser: Browser, campaign: Run, screenshots: Path) -> None:
    browser.resize(375, 812, is_phone=True)
    browser.open(f"{own_page(campaign)}?sort=-time")
    assert browser.wait(ALL_LOADED) == PICTURES + 1
    assert browser.run("return document.documentElement.scrollWidth") == 375
    browser.run("scrollTo(0, 0)")
    browser.screenshot(screenshots / "gallery-phone.png")
