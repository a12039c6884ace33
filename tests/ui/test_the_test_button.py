"""A connection that is made in Airflow's form, in a browser."""

from __future__ import annotations

import pytest
from support.browser import Browser
from support.real_airflow import RealAirflow

from airflow_provider_imagerouter.sandbox.process import SandboxProcess

FORM = "//*[@role='dialog']"


@pytest.mark.needs_airflow("3.3")
@pytest.mark.needs_chromium
def test_its_test_button_says_that_it_works(
    browser: Browser, real_airflow: RealAirflow, imagerouter_sandbox_process: SandboxProcess
) -> None:
    """Without a port Airflow 3.3.2 refuses to test it, so the form asks for one."""
    browser.open(f"{real_airflow.url}/connections")
    browser.click("//button[contains(., 'Add Connection')]")
    browser.type(f"{FORM}//input[@name='connection_id']", "made_in_the_form")
    browser.type(f"{FORM}//input[@role='combobox']", "ImageRouter")
    browser.click("//*[@role='option'][normalize-space() = 'ImageRouter']")
    browser.type(f"{FORM}//input[@name='host']", imagerouter_sandbox_process.url)
    browser.type(f"{FORM}//input[@name='password']", imagerouter_sandbox_process.rich_key)
    port = browser.find(f"{FORM}//input[@name='port']")
    assert port.get_attribute("placeholder").startswith("443 ")
    port.send_keys("443")
    browser.click(f"{FORM}//button[contains(., 'Save')]")
    button = "//tr[contains(., 'made_in_the_form')]//button[@aria-label='Test Connection']"
    browser.click(button)
    browser.find(f"{button}[.//*[@color='green']]")
