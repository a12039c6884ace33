"""The gallery's web application: its pages, and what each answer has in common."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders

from airflow_provider_imagerouter.identity import Identity
from airflow_provider_imagerouter.plugins.gallery import contents, exports, files, listing, pages, xcoms
from airflow_provider_imagerouter.plugins.gallery.access import GUARDS, NOT_COMPRESSED, RUN, TASK, MapIndex
from airflow_provider_imagerouter.plugins.gallery.batches import results_path
from airflow_provider_imagerouter.plugins.gallery.contents import Contents, TaskKey
from airflow_provider_imagerouter.plugins.gallery.items import Page, Task
from airflow_provider_imagerouter.plugins.gallery.listing import Asked
from airflow_provider_imagerouter.plugins.gallery.storage import NotShownError, Places, fetch_results
from airflow_provider_imagerouter.plugins.gallery.threads import RESULTS_SECONDS, slowly
from airflow_provider_imagerouter.plugins.gallery.xcoms import Left

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'self'; sandbox",
    "Cache-Control": "private, no-store",
}
"""What each answer has, unless it says something else."""


class Headers:
    """
    Adds :data:`HEADERS` to each answer (ASGI).

    :param app: what answers
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, and add what its answer does not say itself."""

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


app = FastAPI(
    title="ImageRouter gallery",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    redirect_slashes=False,
    dependencies=GUARDS,
)
app.include_router(files.router)
app.add_middleware(Headers)


@app.exception_handler(NotShownError)
async def say_why(request: Request, error: NotShownError) -> Response:
    """Answer with the sentence that says why something is not shown."""
    return PlainTextResponse(str(error), error.status_code)


@app.exception_handler(FileNotFoundError)
async def say_again(request: Request, error: FileNotFoundError) -> Response:
    """Answer where somebody removed, just now, what was kept on the API server's disk."""
    return PlainTextResponse("What was fetched from storage is gone again. Load the page once more.", 503)


Text = Annotated[str, Query(max_length=contents.MAX_QUERY)]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]


@app.get("/dags/{dag_id}/")
async def show_dag(dag_id: str, q: Text = "", sort: str = "", page: PageNumber = 1) -> Response:
    """Show all runs of a Dag, the newest first."""
    asked = Asked("dag", dag_id, query=q, sort=sort, page=page)
    offset = (page - 1) * listing.RUNS_PER_PAGE
    runs, number = await run_in_threadpool(xcoms.read_runs, dag_id, offset, listing.RUNS_PER_PAGE)
    left = await run_in_threadpool(xcoms.read_left, dag_id, [run.run_id for run in runs])
    places = Places.configured()
    found = await collect(dag_id, left, places, q)
    return await _answer(listing.dag_page_of, asked, runs, found, places, number, status_code=200 if number else 404)


@app.get(RUN + "/")
async def show_run(dag_id: str, run_id: str, q: Text = "", sort: str = "", page: PageNumber = 1) -> Response:
    """Show what the tasks of a run made."""
    asked = Asked("run", dag_id, run_id, query=q, sort=sort, page=page)
    left = await run_in_threadpool(xcoms.read_left, dag_id, [run_id])
    is_there = bool(left) or await run_in_threadpool(xcoms.has_run, dag_id, run_id)
    places = Places.configured()
    found = await collect(dag_id, left, places, q)
    return await _answer(listing.page_of, asked, found, places, [], is_there, status_code=200 if is_there else 404)


@app.get(TASK + "/")
async def show_task(
    dag_id: str, run_id: str, task_id: str, map_index: MapIndex, q: Text = "", sort: str = "", page: PageNumber = 1
) -> Response:
    """Show what a task instance made."""
    instances = await run_in_threadpool(xcoms.read_tasks, dag_id, run_id, task_id)
    task = next((one for one in instances if one.map_index == map_index), None)
    left = await run_in_threadpool(xcoms.read_left, dag_id, [run_id], task_id, map_index) if task else []
    siblings = [one for one in instances if one.map_index >= 0]
    asked = Asked("task", dag_id, run_id, task or Task(run_id, task_id, map_index), q, sort, page)
    places = Places.configured()
    found = await collect(dag_id, left, places, q)
    is_there = task is not None or (map_index < 0 and bool(siblings))
    return await _answer(
        listing.page_of, asked, found, places, siblings, is_there, status_code=200 if is_there else 404
    )


@app.get(RUN + "/records.csv")
async def send_run_records(dag_id: str, run_id: str, q: Text = "", sort: str = "") -> Response:
    """Send the records of a run as a table."""
    return await _send_csv(f"{dag_id}-{run_id}", await _find(dag_id, run_id, None, None, q), sort)


@app.get(TASK + "/records.csv")
async def send_task_records(
    dag_id: str, run_id: str, task_id: str, map_index: MapIndex, q: Text = "", sort: str = ""
) -> Response:
    """Send the records of a task instance as a table."""
    return await _send_csv(f"{dag_id}-{run_id}-{task_id}", await _find(dag_id, run_id, task_id, map_index, q), sort)


@app.get(RUN + "/pictures.zip")
async def send_run_pictures(dag_id: str, run_id: str, q: Text = "") -> Response:
    """Send all pictures of a run."""
    exports.check_zips()
    return _send_zip(f"{dag_id}-{run_id}", await _find(dag_id, run_id, None, None, q))


@app.get(TASK + "/pictures.zip")
async def send_task_pictures(dag_id: str, run_id: str, task_id: str, map_index: MapIndex, q: Text = "") -> Response:
    """Send all pictures of a task instance."""
    exports.check_zips()
    return _send_zip(f"{dag_id}-{run_id}-{task_id}", await _find(dag_id, run_id, task_id, map_index, q))


async def _find(dag_id: str, run_id: str, task_id: str | None, map_index: int | None, query: str) -> Contents:
    left = await run_in_threadpool(xcoms.read_left, dag_id, [run_id], task_id, map_index)
    return await collect(dag_id, left, Places.configured(), query)


async def _send_csv(name: str, found: Contents, sort: str) -> Response:
    lines = exports.write_csv(contents.arrange(found.found, sort), found.files)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=_as_file(f"{name}.csv"))


def _send_zip(name: str, found: Contents) -> Response:
    parts = exports.write_zip(found, Places.configured())
    headers = {**_as_file(f"{name}.zip"), **NOT_COMPRESSED}
    return StreamingResponse(parts, media_type="application/zip", headers=headers)


def _as_file(name: str) -> dict[str, str]:
    clean = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
    return {"Content-Disposition": f'attachment; filename="{clean}"'}


async def collect(dag_id: str, left: Iterable[Left], places: Places, query: str) -> Contents:
    """
    Find what tasks left, with the results of batches, as far as they come in time.

    :param dag_id: their Dag
    :param left: by the tasks
    :param places: where files may be shown from
    :param query: what is searched for
    """
    left = list(left)
    batches = {contents.key_of(one.task): path for one in left if (path := results_path(one.told))}
    files: dict[TaskKey, Path] = {}
    notes: dict[TaskKey, str] = {}

    async def get(key: TaskKey, path: str) -> None:
        try:
            files[key] = await slowly(lambda: fetch_results(places, path, Identity(dag_id, *key)), RESULTS_SECONDS)
        except NotShownError as error:
            notes[key] = f"The results of this batch cannot be read. {error}"

    await asyncio.gather(*(get(key, path) for key, path in batches.items()))
    return await run_in_threadpool(contents.collect, left, files, notes, query)


async def _answer(page_of: Callable[..., Page], *of: Any, status_code: int) -> Response:
    html, policy = await run_in_threadpool(lambda: pages.render(page_of(*of)))
    return HTMLResponse(html, status_code, headers={"Content-Security-Policy": policy})
