"""The gallery's web application: who may ask for what, and with which headers it is answered."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders

from airflow_provider_imagerouter.links.addresses import NO_MAP_INDEX
from airflow_provider_imagerouter.plugins.gallery import contents, listing, pages, xcoms
from airflow_provider_imagerouter.plugins.gallery.items import Page, Task
from airflow_provider_imagerouter.plugins.gallery.listing import Asked

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'self'; sandbox",
    "Cache-Control": "private, no-store",
}
"""What each answer has, unless it says something else."""


def refuse_no_dag(dag_id: str) -> None:
    """
    Refuse what Airflow's own guard takes for "no particular Dag".

    :param dag_id: of the address
    :raises HTTPException: 404
    """
    if dag_id == "~":
        raise HTTPException(404, "There is no such Dag")


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
    dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.XCOM)), Depends(refuse_no_dag)],
)
app.add_middleware(Headers)

Text = Annotated[str, Query(max_length=contents.MAX_QUERY)]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]

RUN = "/dags/{dag_id}/runs/{run_id}"
TASK = RUN + "/tasks/{task_id}/{map_index}"


def read_map_index(map_index: str) -> int:
    """
    Return which instance of a task an address names: -1 for one that is not mapped.

    :param map_index: of the address
    :raises HTTPException: 404, if it is no number
    """
    if map_index == NO_MAP_INDEX:
        return -1
    if not map_index.removeprefix("-").isascii() or not map_index.removeprefix("-").isdigit() or len(map_index) > 9:
        raise HTTPException(404, "There is no such task instance")
    return int(map_index)


MapIndex = Annotated[int, Depends(read_map_index)]


@app.get("/dags/{dag_id}/")
async def show_dag(dag_id: str, q: Text = "", sort: str = "", page: PageNumber = 1) -> Response:
    """Show all runs of a Dag, the newest first."""

    def load() -> Page:
        offset = (page - 1) * listing.RUNS_PER_PAGE
        runs, number = xcoms.read_runs(dag_id, offset, listing.RUNS_PER_PAGE)
        left = xcoms.read_left(dag_id, [run.run_id for run in runs])
        asked = Asked("dag", dag_id, query=q, sort=sort, page=page)
        return listing.dag_page_of(asked, runs, contents.collect(left, {}, {}, q), number)

    return _answer(await run_in_threadpool(load))


@app.get(RUN + "/")
async def show_run(dag_id: str, run_id: str, q: Text = "", sort: str = "", page: PageNumber = 1) -> Response:
    """Show what the tasks of a run made."""

    def load() -> Page:
        left = xcoms.read_left(dag_id, [run_id])
        asked = Asked("run", dag_id, run_id, query=q, sort=sort, page=page)
        is_there = bool(left) or xcoms.has_run(dag_id, run_id)
        return listing.page_of(asked, contents.collect(left, {}, {}, q), is_there=is_there)

    return _answer(await run_in_threadpool(load))


@app.get(TASK + "/")
async def show_task(
    dag_id: str, run_id: str, task_id: str, map_index: MapIndex, q: Text = "", sort: str = "", page: PageNumber = 1
) -> Response:
    """Show what a task instance made."""

    def load() -> Page:
        instances = xcoms.read_tasks(dag_id, run_id, task_id)
        task = next((one for one in instances if one.map_index == map_index), None)
        left = xcoms.read_left(dag_id, [run_id], task_id, map_index) if task else []
        siblings = [one for one in instances if one.map_index >= 0]
        asked = Asked("task", dag_id, run_id, task or Task(run_id, task_id, map_index), q, sort, page)
        found = contents.collect(left, {}, {}, q)
        return listing.page_of(asked, found, siblings=siblings, is_there=bool(instances))

    return _answer(await run_in_threadpool(load))


def _answer(page: Page) -> Response:
    html, policy = pages.render(page)
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})
