"""The API's language is apart: without Airflow, without an HTTP client, and without a word of what is made of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import airflow_provider_imagerouter.api

FOLDER = Path(airflow_provider_imagerouter.api.__file__).parent
OTHERS = ("airflow", "httpx", "requests", "aiohttp", "tenacity", "pendulum", "PIL", "fsspec", "sqlalchemy", "asyncio")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_all_of_it_loads_nothing_but_the_standard_library() -> None:
    modules = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__")
    assert {"request", "answer", "listing", "refusal"} <= set(modules)
    imports = "".join(f"import airflow_provider_imagerouter.api.{module}\n" for module in modules)
    assert run(f"{imports}import sys; print(sorted(set(sys.modules) & {set(OTHERS)}))") == "[]"


def test_a_request_and_its_answer_need_no_airflow() -> None:
    code = """
import sys
from airflow_provider_imagerouter.api.call import Reply
from airflow_provider_imagerouter.api.request import ImageRequest
call = ImageRequest(model="test/test", prompt="a cat").call()
body = b'{"data": [{"url": "https://pictures.invalid/a.png"}], "cost": 0.004}'
print(call.result(Reply(200, {}, body)), "airflow" in sys.modules)
"""
    assert run(code) == "1 result for $0.004 False"


def test_its_errors_are_the_package_s() -> None:
    code = """
from airflow_provider_imagerouter.api.request import ImageRequest
try:
    ImageRequest(model="")
except Exception as error:
    from airflow_provider_imagerouter.exceptions import ImageRouterInputError
    print(type(error) is ImageRouterInputError)
"""
    assert run(code) == "True"


def test_it_names_no_operator_and_no_place_of_theirs() -> None:
    text = "\n".join(file.read_text() for file in FOLDER.glob("*.py"))
    assert [word for word in ("Operator", "output_path", "XCom", "xcom") if word in text] == []
