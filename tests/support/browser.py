"""A headless Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

    def forget(self) -> None:
        """Log out of everything: forget the cookies of the page's host."""
        self._driver.delete_all_cookies()

    def find(self, xpath: str):
        """Return the first such element, as soon as it is there to be used."""
        from selenium.webdriver.support.expected_conditions import element_to_be_clickable
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self._driver, WAIT_SECONDS).until(element_to_be_clickable(("xpath", xpath)), xpath)

    def click(self, xpath: str) -> None:
        self.find(xpath).click()

    def type(self, xpath: str, text: str) -> None:
        self.find(xpath).send_keys(text)

    def press(self, key: str) -> None:
        """Press a key, such as ``ARROW_RIGHT``, wherever the focus is."""
        from selenium.webdriver import ActionChains, Keys

        ActionChains(self._driver).send_keys(getattr(Keys, key)).perform()

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page, or the frame, and return what it returns, or resolves to."""
        return self._driver.execute_script(script, *arguments)

    def wait(self, script: str, *arguments: Any) -> Any:
        """Wait until JavaScript returns something that is true, and return it."""
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self._driver, WAIT_SECONDS).until(lambda _: self.run(script, *arguments), script)

    def enter_frame(self) -> None:
        """Go on in the page's frame; to open a page leaves it."""
        from selenium.webdriver.support.expected_conditions import frame_to_be_available_and_switch_to_it
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self._driver, WAIT_SECONDS).until(frame_to_be_available_and_switch_to_it(("xpath", "//iframe")))

    def leave_frame(self) -> None:
        """Go on in the page around the frame."""
        self._driver.switch_to.default_content()

    def new_tab(self) -> str:
        """Wait until a second tab is open, close it, and return where it led."""
        from selenium.webdriver.support.wait import WebDriverWait

        first, second = WebDriverWait(self._driver, WAIT_SECONDS).until(
            lambda driver: len(driver.window_handles) == 2 and driver.window_handles
        )
        self._driver.switch_to.window(second)
        WebDriverWait(self._driver, WAIT_SECONDS).until(lambda driver: driver.current_url != "about:blank")
        url: str = self._driver.current_url
        self._driver.close()
        self._driver.switch_to.window(first)
        return url

    def resize(self, width: int, height: int, *, is_phone: bool = False) -> None:
        """Make the page so large, in its own pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def save_downloads(self, folder: Path) -> None:
        """Save what is downloaded there."""
        self._driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})

    def screenshot(self, file: Path) -> None:
        """Save the page as it is seen, as PNG."""
        self._driver.save_screenshot(str(file))

    def complaints(self) -> list[str]:
        """Return what was written to the console since the last time that is more than a word of advice."""
        return [entry["message"] for entry in self._driver.get_log("browser") if entry["level"] == "SEVERE"]

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests that were sent since the last time, each with ``url`` and ``headers``."""
        events = [json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance")]
        return [event["params"]["request"] for event in events if event["method"] == "Network.requestWillBeSent"]


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
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(found[1]))
    yield Browser(driver)
    driver.quit()
