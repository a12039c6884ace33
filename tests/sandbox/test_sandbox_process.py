from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from airflow_provider_imagerouter.sandbox.keys import EMPTY_KEY, MANAGEMENT_KEY, NEARLY_EMPTY_KEY, RICH_KEY
from airflow_provider_imagerouter.sandbox.process import SandboxProcess

COMMAND = [sys.executable, "-m", "airflow_provider_imagerouter.sandbox"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_greets_and_stops_at_once_with_calls_in_flight(number):
    process = subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(5)]
    assert lines[0].startswith("ImageRouter sandbox on http://127.0.0.1:")
    assert RICH_KEY in lines[1]
    assert "$100" in lines[1]
    assert NEARLY_EMPTY_KEY in lines[2]
    assert EMPTY_KEY in lines[3]
    assert MANAGEMENT_KEY in lines[4]
    host, port = lines[0].split("/")[-1].strip().split(":")
    body = json.dumps({"model": "sandbox/slow-600"}).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /v1/openai/images/generations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RICH_KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert connection.recv(100)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert errors == ""


def test_a_taken_port(api):
    port = api.sandbox.url.rpartition(":")[2]
    ended = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"The sandbox cannot listen on 127.0.0.1:{port}: ")
    assert "Traceback" not in ended.stderr


def test_missing_packages():
    script = (
        "import runpy, sys; sys.modules['uvicorn'] = None; sys.argv[1:] = [];"
        "runpy.run_module('airflow_provider_imagerouter.sandbox', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert "pip install 'airflow-provider-imagerouter[sandbox]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_sandbox_for_scripts():
    with SandboxProcess() as sandbox:
        url = sandbox.url
        assert httpx.get(f"{url}/health").status_code == 200
        connection = json.loads(sandbox.connection_uri())
        assert connection == {"conn_type": "imagerouter", "host": url, "password": RICH_KEY}
        assert json.loads(sandbox.connection_uri(key=EMPTY_KEY))["password"] == EMPTY_KEY
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_the_keys_say_what_they_are():
    assert {len(key) for key in (RICH_KEY, NEARLY_EMPTY_KEY, EMPTY_KEY, MANAGEMENT_KEY)} == {64}
    assert RICH_KEY.startswith("sandbox-rich-")


def test_it_stands_alone():
    script = (
        "import sys, airflow_provider_imagerouter.sandbox.server;"
        "print([name for name in sys.modules if name.partition('.')[0] == 'airflow' or"
        " name.startswith('airflow_provider_imagerouter.') and 'sandbox' not in name])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"
