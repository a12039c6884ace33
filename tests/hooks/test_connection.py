"""What a connection means, however it is written down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection
from support.clients import KEY

from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.hooks.connection import ConnectionSettings, read_connection
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterHook


def settings(password: str | None = KEY, extra: Any = None, **fields: Any) -> ConnectionSettings:
    extra = extra if isinstance(extra, str | None) else json.dumps(extra)
    return read_connection(
        Connection(conn_id="mine", conn_type="imagerouter", password=password, extra=extra, **fields)
    )


BASE_URLS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "https://api.imagerouter.io"),
    "empty": ({"host": ""}, "https://api.imagerouter.io"),
    "blank": ({"host": "  "}, "https://api.imagerouter.io"),
    "name": ({"host": "ir.example.com"}, "https://ir.example.com"),
    "trailing slash": ({"host": "https://ir.example.com/"}, "https://ir.example.com"),
    "scheme": ({"host": "http://ir.example.com"}, "http://ir.example.com"),
    "upper case": ({"host": "HTTPS://IR.Example.COM/Path"}, "https://ir.example.com/Path"),
    "port": ({"host": "ir.example.com:8443"}, "https://ir.example.com:8443"),
    "port field": ({"host": "ir.example.com", "port": 8443}, "https://ir.example.com:8443"),
    "https's own port": ({"host": "ir.example.com", "port": 443}, "https://ir.example.com"),
    "http's own port": ({"host": "http://ir.example.com:80"}, "http://ir.example.com"),
    "port of the form alone": ({"port": 443}, "https://api.imagerouter.io"),
    "no port, as Airflow's Test button sends it": ({"host": "ir.example.com", "port": 0}, "https://ir.example.com"),
    "both ports": ({"host": "http://ir.example.com:81", "port": 8443}, "http://ir.example.com:81"),
    "path": ({"host": "https://gateway.example.com/ai/imagerouter/"}, "https://gateway.example.com/ai/imagerouter"),
    "OpenAI's": ({"host": "https://api.imagerouter.io/v1/openai"}, "https://api.imagerouter.io"),
    "OpenAI's with a slash": ({"host": "https://api.imagerouter.io/v1/openai/"}, "https://api.imagerouter.io"),
    "version": ({"host": "https://api.imagerouter.io/v1"}, "https://api.imagerouter.io"),
    "version behind a gateway": ({"host": "https://g.example.com/ai/v1/"}, "https://g.example.com/ai"),
    "version as schema": ({"host": "ir.example.com", "schema": "v1/openai"}, "https://ir.example.com"),
    "no version": ({"host": "https://g.example.com/aiv1"}, "https://g.example.com/aiv1"),
    "another version": ({"host": "https://g.example.com/v1/ai"}, "https://g.example.com/v1/ai"),
    "all of it": ({"host": "http://g.example.com:81/ai"}, "http://g.example.com:81/ai"),
    "schema http": ({"host": "ir.example.com", "schema": "http"}, "http://ir.example.com"),
    "schema https": ({"host": "127.0.0.1", "schema": "https", "port": 8443}, "https://127.0.0.1:8443"),
    "schema is a path": ({"host": "ir.example.com", "schema": "ai/v9"}, "https://ir.example.com/ai/v9"),
    "umlaut": ({"host": "bücher.example.com"}, "https://bücher.example.com"),
    "underscore": ({"host": "image_router:8787", "schema": "http"}, "http://image_router:8787"),
    "IPv6": ({"host": "::1", "port": 8787}, "http://[::1]:8787"),
    "IPv6 in brackets": ({"host": "[::1]:8787"}, "http://[::1]:8787"),
    "IPv6 in a URL": ({"host": "https://[2001:db8::1]:8787/ai"}, "https://[2001:db8::1]:8787/ai"),
    "loopback": ({"host": "127.0.0.1:8787"}, "http://127.0.0.1:8787"),
    "localhost": ({"host": "localhost", "port": 8787}, "http://localhost:8787"),
}


@pytest.mark.parametrize(("fields", "base_url"), BASE_URLS.values(), ids=BASE_URLS)
def test_base_url(fields: dict[str, Any], base_url: str) -> None:
    assert settings(**fields).base_url == base_url


@pytest.mark.parametrize(
    "host",
    [
        "https://user:secret@ir.example.com",
        "https://user@ir.example.com",
        "https://:secret@ir.example.com",
        "https://@ir.example.com",
        "https://user:secret@ir.example.com\uff03x",
        "https://ir.example.com?key=1",
        "https://ir.example.com/#there",
        "ftp://ir.example.com",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://ir.example.com:port",
        "https://ir.example.com:99999",
        "https://ir..example.com",
        "https://" + "a" * 64 + ".example.com",
        "ir example.com",
        "https://ir\nexample.com/",
        "https://[::1",
        "https://[nonsense]",
        "ir.example.com\\there",
    ],
)
def test_a_bad_base_url(host: str) -> None:
    with pytest.raises(ImageRouterInputError, match="mine") as caught:
        settings(host=host)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("password", [None, "", "   ", "\n"])
def test_no_key(password: str | None) -> None:
    with pytest.raises(ImageRouterInputError, match="'mine' has no API key"):
        settings(password)


def test_a_key_in_the_login_field_says_where_keys_go() -> None:
    with pytest.raises(
        ImageRouterInputError, match="something in its login field; the key goes into the password"
    ) as caught:
        settings(None, login=KEY)
    assert KEY not in str(caught.value)


def test_fields_that_nothing_reads_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    settings(extra={"read_timeout": 5, "timeout": 7, "api_key": KEY})
    (record,) = caplog.records
    assert "'mine' has fields that nothing reads: api_key, timeout" in record.getMessage()
    assert KEY not in record.getMessage()


def test_the_line_break_that_came_with_a_pasted_key_goes() -> None:
    assert settings(f" {KEY}\r\n").authorization == f"Bearer {KEY}"


@pytest.mark.parametrize("password", ["one\ntwo", "one\r\nX-Evil: two", "one two", "clé", "one\0", "one\ttwo"])
def test_a_key_that_is_none(password: str) -> None:
    with pytest.raises(ImageRouterInputError, match="characters that no key has") as caught:
        settings(password)
    assert password not in str(caught.value)


def test_defaults() -> None:
    found = settings()
    assert (found.connect_timeout, found.read_timeout, found.retry_timeout) == (10, 90, 60)
    assert found.default_model is None


def test_extra() -> None:
    found = settings(
        extra={"connect_timeout": 1.5, "read_timeout": "30", "retry_timeout": 0, "default_model": "test/test"}
    )
    assert (found.connect_timeout, found.read_timeout, found.retry_timeout) == (1.5, 30, 0)
    assert found.model(None) == "test/test"
    assert found.model("ir/other") == "ir/other"


@pytest.mark.parametrize("nothing", [None, ""])
def test_fields_that_the_form_left_empty(nothing: Any) -> None:
    names = ("connect_timeout", "read_timeout", "retry_timeout", "default_model")
    assert settings(extra=dict.fromkeys(names, nothing)) == settings()


@pytest.mark.parametrize("name", ["connect_timeout", "read_timeout", "retry_timeout"])
@pytest.mark.parametrize("value", [-1, "soon", "nan", "inf", [], {}, 1e999])
def test_a_bad_timeout(name: str, value: Any) -> None:
    with pytest.raises(ImageRouterInputError, match=f"{name} of the connection 'mine'"):
        settings(extra={name: value})


@pytest.mark.parametrize("name", ["connect_timeout", "read_timeout"])
def test_a_timeout_of_nothing(name: str) -> None:
    with pytest.raises(ImageRouterInputError, match=name):
        settings(extra={name: 0})


def test_no_model_anywhere() -> None:
    with pytest.raises(ImageRouterInputError, match="default model"):
        settings().model(None)


IN_THE_ENVIRONMENT = {
    "URI": (f"imagerouter://:{KEY}@localhost:8787/http", "http://localhost:8787"),
    "URI with a scheme": (f"imagerouter://https://:{KEY}@ir.example.com:8443/ai", "https://ir.example.com:8443/ai"),
    "URI without a host": (f"imagerouter://:{KEY}@", "https://api.imagerouter.io"),
    "URI with a base URL in it": (
        f"imagerouter://:{KEY}@http%3A%2F%2Fir.example.com%3A81%2Fai",
        "http://ir.example.com:81/ai",
    ),
    "JSON": (
        json.dumps({"conn_type": "imagerouter", "password": KEY, "host": "http://localhost:8787/ai"}),
        "http://localhost:8787/ai",
    ),
    "JSON with fields": (
        json.dumps({"conn_type": "imagerouter", "password": KEY, "host": "ir.example.com", "port": 8443}),
        "https://ir.example.com:8443",
    ),
}


@pytest.mark.parametrize(("value", "base_url"), IN_THE_ENVIRONMENT.values(), ids=IN_THE_ENVIRONMENT)
def test_connections_in_the_environment(monkeypatch: pytest.MonkeyPatch, value: str, base_url: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FROM_ENV", value)
    found = ImageRouterHook("from_env").settings
    assert (found.base_url, found.api_key) == (base_url, KEY)


def test_extra_in_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"imagerouter://:{KEY}@localhost/?default_model=test%2Ftest&read_timeout=5"
    monkeypatch.setenv("AIRFLOW_CONN_FROM_ENV", uri)
    found = ImageRouterHook("from_env").settings
    assert (found.default_model, found.read_timeout) == ("test/test", 5)
