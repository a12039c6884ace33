"""Pictures, videos and thumbnails over HTTP: each one that the XCom of the task in the address tells of."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.plugins.gallery.access import NOT_COMPRESSED, TASK, MapIndex, Name, read_index
from airflow_provider_imagerouter.plugins.gallery.batches import read_row, results_path
from airflow_provider_imagerouter.plugins.gallery.contents import record_at
from airflow_provider_imagerouter.plugins.gallery.storage import (
    NotShownError,
    Places,
    fetch,
    fetch_results,
    file_name,
    find_stored,
)
from airflow_provider_imagerouter.plugins.gallery.threads import FILE_SECONDS, slowly
from airflow_provider_imagerouter.plugins.gallery.thumbnails import CONTENT_TYPE, fetch_thumbnail, find_thumbnail
from airflow_provider_imagerouter.plugins.gallery.xcoms import read_result

router = APIRouter()

SVG = "image/svg+xml"
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""As a picture in a page, SVG runs no scripts; opened by itself it is saved, and if it is not, it runs none either."""

FILE_POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"


@router.get(TASK + "/files/{name}")
async def send_file(
    request: Request, dag_id: str, run_id: str, task_id: str, map_index: MapIndex, name: Name, download: bool = False
) -> Response:
    """Send a picture or video, or the part of it that is asked for (``Range``)."""
    places = Places.configured()
    record = await _record(places, dag_id, run_id, task_id, map_index, name)
    return await _send(request, places, record["path"], record["sha256"], download=download)


@router.get(TASK + "/inputs/{name}/{number}")
async def send_input(
    request: Request, dag_id: str, run_id: str, task_id: str, map_index: MapIndex, name: Name, number: str
) -> Response:
    """Send one of the pictures that another one was made from."""
    places = Places.configured()
    inputs = (await _record(places, dag_id, run_id, task_id, map_index, name))["inputs"]
    index = read_index(number)
    if index >= len(inputs):
        raise NotShownError("It was made from no such picture.")
    return await _send(request, places, inputs[index]["uri"], inputs[index]["sha256"])


@router.get(TASK + "/thumbnails/{name}")
async def send_thumbnail(
    request: Request, dag_id: str, run_id: str, task_id: str, map_index: MapIndex, name: Name
) -> Response:
    """Send a picture scaled to what a page shows of it."""
    places = Places.configured()
    record = await _record(places, dag_id, run_id, task_id, map_index, name)
    where = places, record["path"], record["sha256"]
    thumbnail = await run_in_threadpool(find_thumbnail, *where)
    if thumbnail is None:
        thumbnail = await slowly(lambda: fetch_thumbnail(*where), FILE_SECONDS)
    return FileResponse(thumbnail, media_type=CONTENT_TYPE, headers=_headers(request, FILE_POLICY))


async def _record(
    places: Places, dag_id: str, run_id: str, task_id: str, map_index: int, name: tuple[int | None, int]
) -> dict[str, Any]:
    """Return the record of a picture, as the XCom or the results have it now."""
    row, position = name
    identity = Identity(dag_id, run_id, task_id, map_index)
    result = await run_in_threadpool(read_result, dag_id, run_id, task_id, map_index)
    results = results_path(result)
    record = None
    if row is None and results is None:
        record = record_at(result, position)
    elif row is not None and results is not None:
        file = await slowly(lambda: fetch_results(places, results, identity), FILE_SECONDS)
        found = await run_in_threadpool(read_row, file, row)
        record = found.records.get(position) if found else None
    if record is None:
        raise NotShownError("The task tells of no such picture.")
    return record


async def _send(
    request: Request, places: Places, location: str | None, sha256: str | None, *, download: bool = False
) -> Response:
    stored = await run_in_threadpool(find_stored, places, location, sha256)
    if stored is None:
        stored = await slowly(lambda: fetch(places, location, sha256), FILE_SECONDS)
    is_vector = stored.content_type == SVG
    if "," in request.headers.get("range", ""):  # several parts at once: nobody needs them, and they can be costly
        request.scope["headers"] = [header for header in request.scope["headers"] if header[0].lower() != b"range"]
    return FileResponse(
        stored.path,
        media_type=stored.content_type,
        filename=file_name(location or "", stored),
        content_disposition_type="attachment" if download or is_vector else "inline",
        headers=_headers(request, SVG_POLICY if is_vector else FILE_POLICY),
    )


def _headers(request: Request, policy: str) -> dict[str, str]:
    """Let the browser alone keep a file, and only under an address that names its version; sent as it is."""
    kept = "private, max-age=3600" if request.query_params.get("v") else "private, no-cache"
    return {"Content-Security-Policy": policy, "Cache-Control": kept, **NOT_COMPRESSED}
