"""The connection form, as the API server describes it to the UI; before Airflow 3.2 from the hook's methods."""

from __future__ import annotations

import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers.common.compat.sdk import redact

from airflow_provider_imagerouter.hooks.form import CONNECTION_FIELDS


@pytest.fixture(scope="module")
def form():
    (found,) = [form for form in HookMetaService.hook_meta_data() if form.connection_type == "imagerouter"]
    return found


def test_it_has_a_name_and_a_hook(form):
    assert form.hook_name == "ImageRouter"
    assert form.hook_class_name == "airflow_provider_imagerouter.hooks.imagerouter.ImageRouterHook"


def test_the_password_field_which_airflow_masks_takes_the_api_key(form):
    assert form.standard_fields.password.title == "API Key"
    assert not form.standard_fields.password.hidden


def test_the_host_is_the_base_url_and_shows_the_real_one(form):
    assert form.standard_fields.host.title == "Base URL"
    assert form.standard_fields.host.placeholder == "https://api.imagerouter.io"
    assert not form.standard_fields.host.hidden


def test_the_management_key_is_a_password_under_a_name_that_airflow_masks(form):
    assert form.extra_fields["management_api_key"]["schema"]["format"] == "password"
    assert redact({"management_api_key": "anything"}) == {"management_api_key": "***"}


def test_what_does_not_matter_is_hidden(form):
    assert form.standard_fields.login.hidden
    assert form.standard_fields.url_schema.hidden


def test_the_port_is_shown_for_the_test_button(form):
    """What it does for a browser is tested in tests/ui."""
    assert not form.standard_fields.port.hidden
    assert form.standard_fields.port.placeholder.startswith("443 ")


def test_it_asks_for_a_default_model_and_timeouts(form):
    assert set(form.extra_fields) == set(CONNECTION_FIELDS)
    assert set(form.extra_fields) >= {"default_model", "connect_timeout", "read_timeout", "retry_timeout"}


@pytest.mark.parametrize("name", CONNECTION_FIELDS)
def test_each_field_of_its_own_is_labelled_explained_and_may_stay_empty(form, name):
    field = form.extra_fields[name]
    assert field["schema"]["title"] == CONNECTION_FIELDS[name]["label"]
    assert field["description"] == CONNECTION_FIELDS[name]["description"]
    assert "null" in field["schema"]["type"]
    assert field["value"] is None


@pytest.mark.needs_airflow("3.2")
def test_a_timeout_is_a_number(form):
    assert form.extra_fields["read_timeout"]["schema"] == {
        "title": "Read timeout",
        "type": ["number", "null"],
        "minimum": 0,
    }


@pytest.mark.needs_airflow("3.3")
def test_the_form_for_text_models_asks_for_no_key():
    forms = {form.connection_type: form for form in HookMetaService.hook_meta_data()}
    words = forms["pydanticai_imagerouter"]
    assert words.hook_name == "Pydantic AI (ImageRouter)"
    assert words.standard_fields.password.hidden
    assert words.standard_fields.host.hidden
    assert not words.standard_fields.port.hidden
    assert set(words.extra_fields) == {"model", "imagerouter_conn_id", "fallback_conn_ids"}
