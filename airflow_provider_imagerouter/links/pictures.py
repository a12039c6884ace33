"""Links from a task instance's page to what the task made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink, conf
from typing_extensions import override

from airflow_provider_imagerouter.compat import has_pages_of_plugins
from airflow_provider_imagerouter.links.addresses import task_page

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class PictureLink(BaseOperatorLink):
    """
    A link to a task's picture, opened in the gallery; of several, to their page there, which shows what failed, too.

    Below Airflow 3.1.1, which has no gallery, ImageRouter's own link to the first one, if there is one: a path on a
    worker is no link.
    """

    name = "View picture"

    @override
    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """
        Return the address, empty if there is none. Airflow asks for it in the worker, when the task has ended.

        :param operator: the task's
        :param ti_key: the task instance
        """
        result = getattr(operator, "_result", None)
        pictures = result if isinstance(result, list) else []
        if has_pages_of_plugins():
            page = task_page(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)
            opened = "#0" if len(pictures) == 1 else ""
            return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/{page}{opened}"
        first = pictures[0] if pictures else None
        url = first.get("url") if isinstance(first, dict) else None
        return url if isinstance(url, str) and url.startswith(("https://", "http://")) else ""


class ResultsLink(PictureLink):
    """A link to what a batch made."""

    name = "Results"
