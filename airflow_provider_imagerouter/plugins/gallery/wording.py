"""How the gallery's pages write amounts, sizes and times, and what they put side by side: filters of its templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from airflow_provider_imagerouter.plugins.gallery.items import Page, Picture, Task


def money(amount: Decimal | float | None) -> str:
    """
    Write an amount so that what a picture costs can be read: four decimals, or as many as a smaller one needs.

    :param amount: USD; None if it is not known
    """
    if amount is None:
        return "cost unknown"
    exact = Decimal(str(amount))
    if 0 < exact < Decimal("0.0001"):
        return f"${exact:.2g}"
    return f"${exact:,.2f}" if exact >= 10 else f"${exact:.4f}"


def file_size(size: int | float) -> str:
    """
    Write how large a file is.

    :param size: bytes
    """
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB"):
        size /= 1000
        if size < 999.5:
            return f"{size:.0f} {unit}" if size >= 10 else f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} GB"


def length_of(seconds: int | float) -> str:
    """
    Write how long something takes.

    :param seconds: how many
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.3g} s"


def file_type(content_type: str | None) -> str | None:
    """
    Write a media type as people do: ``WebP`` for ``image/webp``.

    :param content_type: None if it is not known
    """
    if not content_type:
        return None
    name = content_type.partition("/")[2].partition(";")[0].partition("+")[0]
    return {"webp": "WebP", "webm": "WebM", "quicktime": "QuickTime"}.get(name, name.upper())


def side_by_side(pictures: Iterable[Picture]) -> list[list[Picture]]:
    """
    Return pictures with those of one request together, as far as they follow each other.

    :param pictures: in their order
    """
    return [list(candidates) for _, candidates in groupby(pictures, key=_request_of)]


def _request_of(picture: Picture) -> tuple[Task, str]:
    return picture.task, picture.group or picture.name


def columns(pictures: Iterable[Picture]) -> int:
    """
    Return how many columns of the grid pictures take, with what they were made from; 6 for as many as there are.

    :param pictures: of a request or a group
    """
    requests = side_by_side(pictures)
    return max(1, min(6, sum(len(request) + len(request[0].inputs[:3]) for request in requests)))


def anchor(picture: Picture, page: Page) -> str:
    """
    Return a picture's name on a page, which a link to it has behind its ``#``.

    :param picture: which one
    :param page: where it is shown
    """
    task = picture.task
    if page.scope == "task":
        return picture.name
    names = [*([task.run_id] if page.scope == "dag" else []), task.task_id, str(task.map_index), picture.name]
    return "/".join(quote(name, safe="") for name in names)


def airflow_page(page: Page, task: Task | None = None) -> str:
    """
    Return the way to Airflow's own page of a Dag, a run or a task instance, relative to a page of the gallery.

    :param page: where the link is
    :param task: which task instance; None for what the page itself is of
    """
    up = {"dag": 3, "run": 5, "task": 8}[page.scope]
    parts = ["dags", page.dag_id]
    if (shown := task or page.task) is not None:
        parts += ["runs", shown.run_id, "tasks", shown.task_id]
        parts += ["mapped", str(shown.map_index)] if shown.map_index >= 0 else []
    elif page.run_id is not None:
        parts += ["runs", page.run_id]
    return "../" * up + "/".join(quote(part, safe="") for part in parts)


FILTERS: dict[str, Callable[..., Any]] = {
    "airflow_page": airflow_page,
    "anchor": anchor,
    "columns": columns,
    "file_size": file_size,
    "file_type": file_type,
    "length_of": length_of,
    "money": money,
    "side_by_side": side_by_side,
}
"""By the names that templates have for them."""
