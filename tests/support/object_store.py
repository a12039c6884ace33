"""An S3 API on loopback, with one bucket, and an Airflow connection to it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "pictures"
CONN_ID = "aws_tests"
URI = f"s3://{CONN_ID}@{BUCKET}"


class ObjectStore:
    """What is in the bucket, seen with an independent client."""

    def __init__(self, endpoint: str) -> None:
        self._client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self._client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, content: bytes) -> str:
        self._client.put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"{URI}/{key}"

    def get(self, key: str) -> bytes:
        return bytes(self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def content_type(self, key: str) -> str:
        return str(self._client.head_object(Bucket=BUCKET, Key=key)["ContentType"])

    def names(self) -> list[str]:
        return [entry["Key"] for entry in self._client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def clear(self) -> None:
        while names := self.names():  # a thousand at a time
            for key in names:
                self._client.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture(scope="session")
def object_store_server() -> Iterator[tuple[ObjectStore, str]]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    yield ObjectStore(endpoint), endpoint
    server.stop()


@pytest.fixture
def object_store(object_store_server: tuple[ObjectStore, str], monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    store, endpoint = object_store_server
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "x", "password": "x", "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
    monkeypatch.setenv("NO_PROXY", "*")
    store.clear()
    return store
