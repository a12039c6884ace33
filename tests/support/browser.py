"""A headless Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

WAIT_SECONDS = 60


def chromium() -> tuple[str, str] | None:
    """Return where Chromium and its driver are on this machine, if they are."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    """What a person does in a browser."""

    def __init__(self, driver) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        self._driver.get(url)

    def find(self, xpath: str):
        """Return the first such element, as soon as it is there to be used."""
        from selenium.webdriver.support.expected_conditions import element_to_be_clickable
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self._driver, WAIT_SECONDS).until(element_to_be_clickable(("xpath", xpath)), xpath)

    def click(self, xpath: str) -> None:
        self.find(xpath).click()

    def type(self, xpath: str, text: str) -> None:
        self.find(xpath).send_keys(text)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser for tests that are marked with ``needs_chromium``."""
    from selenium import webdriver

    found = chromium()
    assert found, "there is no Chromium"
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(argument)
    options.add_argument("--window-size=1400,1400")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(found[1]))
    yield Browser(driver)
    driver.quit()
