"""What tells the requests of one task apart, so that each is found again in the ledger by a later attempt."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_imagerouter.api.request import Request
    from airflow_provider_imagerouter.engine.inputs import InputPictures


class RequestKeys:
    """The keys of a task's requests: a fingerprint, and a number where the same is asked for several times."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._taken: set[str] = set()

    def number(self, request: Request, inputs: InputPictures | None) -> int:
        """
        Return which of the requests that look the same this one is, from 1; to be asked in the order of the requests.

        :param request: without its input pictures
        :param inputs: where those are
        """
        looks = _digest([request.parameters, inputs.locations if inputs else []])
        self._asked[looks] += 1
        return self._asked[looks]

    def key(self, base_url: str, request: Request, images: Sequence[str], masks: Sequence[str], number: int) -> str:
        """
        Return the key of a request: over everything that shapes the picture, and who makes it.

        :param base_url: of the API
        :param request: without its input pictures
        :param images: SHA-256 of each input picture
        :param masks: SHA-256 of each mask
        :param number: from :meth:`number`; a higher one is taken where the same pictures lie in several places
        """
        fingerprint = _digest([base_url, request.path, request.parameters, list(images), list(masks)])
        while f"{fingerprint}-{number}" in self._taken:
            number += 1
        key = f"{fingerprint}-{number}"
        self._taken.add(key)
        return key


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:24]
