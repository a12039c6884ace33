"""The results of a batch: what its manifest and its rows say, and a reader for Dag authors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from airflow_provider_imagerouter.records import completed

if TYPE_CHECKING:
    from airflow_provider_imagerouter.exceptions import Billed
    from airflow_provider_imagerouter.records import Record

Status = Literal["success", "error", "not_sent", "in_flight"]


class Manifest(TypedDict):
    """
    What a batch puts into XCom; as small for 10,000 requests as for ten.

    :param results_path: URI of the results, a row a request, in order; for :func:`read_results`
    :param result_path: URI of the folder that they and the pictures are in
    :param requests: how many requests there were
    :param succeeded: how many of them ended in pictures
    :param failed: how many did not
    :param not_sent: how many were not sent, because the batch, or their model, had to stop before
    :param errors: how many requests ended in which class of error
    :param pictures: how many pictures there are
    :param cost_usd: USD, what they cost, and calls that were billed without one; pictures of unknown cost count as 0
    :param seconds: how long this attempt took
    """

    results_path: str
    result_path: str
    requests: int
    succeeded: int
    failed: int
    not_sent: int
    errors: dict[str, int]
    pictures: int
    cost_usd: float
    seconds: float


class Row(TypedDict):
    """
    One request of a batch. JSON types only; every key is always there, and has one type in all rows.

    :param id: no other row has it, in this batch or another; a retry's row of the same request does
    :param index: which request of the list it is, from 0; the log says ``requests[index]``
    :param status: ``success``; ``error`` (of this request); ``not_sent`` (the batch, or its model, stopped before);
        ``in_flight`` (the batch was stopped from outside while it was under way)
    :param prompt: as asked; None if none was given
    :param model: as asked, or the default; None if neither named one
    :param metadata: as the request has it
    :param cost_usd: USD, as far as it is known
    :param billed: whether money was spent: ``yes``, ``no`` or ``unknown``
    :param error_type: class of the error, or of what stopped the batch; None if it succeeded
    :param error_message: what it says
    :param records: its pictures; of several candidates, those that are there
    """

    id: str
    index: int
    status: Status
    prompt: str | None
    model: str | None
    metadata: dict[str, Any] | None
    cost_usd: float
    billed: Billed
    error_type: str | None
    error_message: str | None
    records: list[Record]


def read_results(results: Manifest | Mapping[str, Any] | str) -> Iterator[Row]:
    """
    Return the rows of a batch, one after the other, without reading all of them into memory.

    What a batch left that was killed is read, too. Example::

        @task
        def list_pictures(manifest: dict) -> list[str]:
            return [record["path"] for row in read_results(manifest) for record in row["records"]]

    :param results: a batch's manifest, or the location of its results
    :raises OSError: if they are not there
    """
    from airflow.sdk import ObjectStoragePath

    location = results if isinstance(results, str) else str(results["results_path"])
    if "://" not in location:
        location = Path(location).expanduser().absolute().as_uri()
    path = ObjectStoragePath(location)
    with path.fs.open(path.path, "rb") as file:
        for line in file:
            if line.endswith(b"\n"):  # else it was cut off when the batch was killed
                row: Row = json.loads(line)
                row["records"] = [completed(record) for record in row["records"]]
                yield row
