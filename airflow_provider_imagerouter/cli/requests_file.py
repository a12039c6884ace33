"""A file of requests, as they would be those of a batch."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from airflow_provider_imagerouter.exceptions import ImageRouterInputError


def read_requests_file(name: str) -> list[dict[str, Any]]:
    """
    Return the parameters of each request of a file.

    :param name: of the file: a JSON list (``.json``), a line of JSON a request (``.jsonl``), or a table with the names
        of parameters in its first line (``.csv``); a request is a prompt, or an object of parameters
    :raises ImageRouterInputError: if it cannot be read
    """
    path = Path(name)
    try:
        text = path.read_text(encoding="utf-8-sig")
        match path.suffix.lower():
            case ".json":
                requests = json.loads(text)
            case ".jsonl" | ".ndjson":
                requests = [json.loads(line) for line in text.splitlines() if line.strip()]
            case ".csv":
                requests = [
                    {column: cell for column, cell in row.items() if cell} for row in csv.DictReader(text.splitlines())
                ]
            case _:
                raise ImageRouterInputError(f"{name} must end in .json, .jsonl or .csv")
    except (OSError, ValueError, csv.Error) as error:
        raise ImageRouterInputError(f"{name} cannot be read: {error}") from None
    if not isinstance(requests, list) or not requests:
        raise ImageRouterInputError(f"{name} must be a list of requests")
    return [_read_request(index, request) for index, request in enumerate(requests)]


def _read_request(index: int, request: Any) -> dict[str, Any]:
    if isinstance(request, str):
        return {"prompt": request}
    if isinstance(request, dict):
        return request
    raise ImageRouterInputError(f"requests[{index}] must be a prompt or an object, not {request!r:.80}")
