"""Who may ask, and what the parts of an address mean."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, HTTPException

from airflow_provider_imagerouter.links.addresses import NO_MAP_INDEX

RUN = "/dags/{dag_id}/runs/{run_id}"
TASK = RUN + "/tasks/{task_id}/{map_index}"

NOT_COMPRESSED = {"Content-Encoding": "identity"}
"""Keeps Airflow from compressing what is compressed already, parts of files (``Range``) included."""


def refuse_no_dag(dag_id: str) -> None:
    """
    Refuse what Airflow's own guard takes for "no particular Dag".

    :param dag_id: of the address
    :raises HTTPException: 404
    """
    if dag_id == "~":
        raise HTTPException(404, "There is no such Dag")


GUARDS = (Depends(requires_access_dag("GET", DagAccessEntity.XCOM)), Depends(refuse_no_dag))
"""What each request has to pass: 401 for those who are not logged in, 403 for those who may not read a Dag's XComs."""


def read_map_index(map_index: str) -> int:
    """
    Return which instance of a task an address names: -1 for one that is not mapped.

    :param map_index: of the address
    :raises HTTPException: 404, if it is no number
    """
    if map_index in (NO_MAP_INDEX, "-1"):
        return -1
    return read_index(map_index)


def read_index(text: str) -> int:
    """
    Return a number from 0.

    :param text: of the address
    :raises HTTPException: 404, if it is none
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise HTTPException(404, "There is no such thing")
    return int(text)


def read_name(name: str) -> tuple[int | None, int]:
    """
    Return which row and which position the name of a picture says; no row for one that is of no batch.

    :param name: of the address
    :raises HTTPException: 404, if it is no name of a picture
    """
    row, dash, position = name.rpartition("-")
    return read_index(row) if dash else None, read_index(position)


MapIndex = Annotated[int, Depends(read_map_index)]
Name = Annotated[tuple[int | None, int], Depends(read_name)]
