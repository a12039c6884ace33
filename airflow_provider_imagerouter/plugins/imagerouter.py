"""The plugin that adds the gallery to Airflow; all of Airflow's processes import it, so it imports next to nothing."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_imagerouter.compat import has_pages_of_plugins
from airflow_provider_imagerouter.links.addresses import PREFIX

TASK_TAB = "imagerouter/dags/{DAG_ID}/runs/{RUN_ID}/tasks/{TASK_ID}/{MAP_INDEX}/"
RUN_TAB = "imagerouter/dags/{DAG_ID}/runs/{RUN_ID}/"


async def gallery(scope: Any, receive: Any, send: Any) -> None:
    """
    Answer a request for the gallery (ASGI); FastAPI is imported by the first one, and so by the API server alone.

    :param scope: the request, as ASGI has it
    :param receive: gives its body
    :param send: takes the answer
    """
    from airflow_provider_imagerouter.plugins.gallery.app import app

    await app(scope, receive, send)


class ImageRouterPlugin(AirflowPlugin):
    """A tab with the pictures on the pages of task instances and Dag runs (Airflow 3.1.1 or newer)."""

    name = "imagerouter"
    fastapi_apps = (
        [{"app": gallery, "url_prefix": PREFIX, "name": "ImageRouter gallery"}] if has_pages_of_plugins() else []
    )
    external_views = (
        [
            # Relative: so they are found behind a proxy that adds a path, too. A tab needs an url_route of its own.
            {
                "name": "Pictures",
                "href": TASK_TAB,
                "destination": "task_instance",
                "url_route": "imagerouter-task-pictures",
            },
            {"name": "Pictures", "href": RUN_TAB, "destination": "dag_run", "url_route": "imagerouter-run-pictures"},
        ]
        if has_pages_of_plugins()
        else []
    )
