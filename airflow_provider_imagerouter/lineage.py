"""
What OpenLineage is told of a task: from which pictures it made which, with which models, for how much.

Only OpenLineage's Airflow provider asks for it, and only then is this imported. It says no prompt and no key; of links
neither user info nor query.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import DatasetFacet, RunFacet, output_statistics_output_dataset

from airflow_provider_imagerouter import __version__
from airflow_provider_imagerouter.engine.inputs import records
from airflow_provider_imagerouter.exceptions import ImageRouterInputError
from airflow_provider_imagerouter.files.locations import public
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterHook
from airflow_provider_imagerouter.records import total_cost

if TYPE_CHECKING:
    from airflow_provider_imagerouter.records import Record
    from airflow_provider_imagerouter.results import Manifest

MOST_INPUTS = 100
"""How many input pictures an event names: a batch may have 160,000."""

API_VERSION = "v1"
"""Of ImageRouter's HTTP API."""

_SCHEMAS = f"urn:airflow-provider-imagerouter:{__version__}:lineage.schema.json#/$defs/"

_SAME_STORE = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
"""Schemes that name what another one does, in OpenLineage's spelling."""

log = logging.getLogger(__name__)


@attrs.define
class ImageRouterRunFacet(RunFacet):
    """
    What a task did and paid.

    :param baseUrl: of the API; None if the connection cannot be read
    :param apiVersion: of the API
    :param providerVersion: of this package
    :param models: the models that were asked, without those that a connection's default names
    :param pictures: how many there are
    :param failedRequests: of a batch
    :param costUsd: USD, as far as it is known
    """

    baseUrl: str | None  # noqa: N815
    apiVersion: str  # noqa: N815
    providerVersion: str  # noqa: N815
    models: list[str]
    pictures: int
    failedRequests: int  # noqa: N815
    costUsd: float | None  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}ImageRouterRunFacet"


@attrs.define
class ImageRouterPictureDatasetFacet(DatasetFacet):
    """
    One picture or video: what its record says, but for its texts.

    :param model: which made it
    :param costUsd: its share of what its call cost, USD
    :param contentType: media type
    :param width: pixels
    :param height: pixels
    :param sha256: of its bytes, hexadecimal
    :param createdAt: ISO 8601, UTC
    """

    model: str | None
    costUsd: float | None  # noqa: N815
    contentType: str | None  # noqa: N815
    width: int | None
    height: int | None
    sha256: str | None
    createdAt: str | None  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}ImageRouterPictureDatasetFacet"


def lineage_of_pictures(conn_id: str, made: Sequence[Record], images: Any = None) -> OperatorLineage[Any, Any]:
    """
    Return the lineage of a task that made or stored pictures.

    :param conn_id: the task's connection
    :param made: their records
    :param images: what they are copies of, which costs nothing; None if they were made, and the records say from what
    """
    is_copy = images is not None
    made_from = [each["uri"] for record in made for each in record.get("inputs", [])]
    return _lineage(
        conn_id,
        _locations(images) if is_copy else made_from,
        map(_picture, made),
        models=[record["model"] for record in made],
        pictures=len(made),
        cost=0.0 if is_copy else total_cost(list(made)),
    )


def lineage_of_batch(
    conn_id: str, manifest: Manifest, requests: Iterable[Any], model: str | None
) -> OperatorLineage[Any, Any]:
    """
    Return the lineage of a batch: its pictures are those of a folder.

    :param conn_id: the task's connection
    :param manifest: what it returned
    :param requests: what was asked
    :param model: which was asked where the requests name none
    """
    asked = [request if isinstance(request, Mapping) else {} for request in requests]
    outputs = [
        _output(manifest["result_path"], fileCount=manifest["pictures"]),
        _output(manifest["results_path"], fileCount=1, rowCount=manifest["requests"]),
    ]
    return _lineage(
        conn_id,
        (location for request in asked for location in _locations(request.get("image"))),
        outputs,
        models=[request.get("model") or model for request in asked],
        pictures=manifest["pictures"],
        failed=manifest["failed"],
        cost=manifest["cost_usd"],
    )


def _lineage(
    conn_id: str,
    inputs: Iterable[str | None],
    outputs: Iterable[OutputDataset | None],
    *,
    models: Iterable[str | None],
    pictures: int,
    cost: float | None,
    failed: int = 0,
) -> OperatorLineage[Any, Any]:
    places = (place for location in inputs if location and (place := _place(location)))
    facet = ImageRouterRunFacet(
        baseUrl=_base_url(conn_id),
        apiVersion=API_VERSION,
        providerVersion=__version__,
        models=sorted({model for model in models if model}),
        pictures=pictures,
        failedRequests=failed,
        costUsd=cost,
    )
    return OperatorLineage(
        inputs=[InputDataset(*place) for place in islice(dict.fromkeys(places), MOST_INPUTS)],
        outputs=[output for output in outputs if output],
        run_facets={"imagerouter": facet},
    )


def _picture(record: Record) -> OutputDataset | None:
    facet = ImageRouterPictureDatasetFacet(
        model=record["model"],
        costUsd=record["cost_usd"],
        contentType=record["content_type"],
        width=record["width"],
        height=record["height"],
        sha256=record["sha256"],
        createdAt=record["created_at"],
    )
    return _output(record["uri"], {"imagerouter_picture": facet}, fileCount=1, size=record["size_bytes"])


def _output(location: str, facets: dict[str, DatasetFacet] | None = None, **numbers: Any) -> OutputDataset | None:
    """Return what was written to a location, with numbers that OpenLineage knows; None if it has no name."""
    place = _place(location)
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(**numbers)
    return OutputDataset(*place, facets=facets, outputFacets={"outputStatistics": statistics}) if place else None


def _locations(images: Any) -> list[str]:
    """Return where pictures are that a parameter names; none where only their bytes are given."""
    try:
        return [] if images is None else [record["uri"] for record in records(images, "image")]
    except ImageRouterInputError:
        return []


def _place(location: str) -> tuple[str, str] | None:
    """
    Return namespace and name of what is at a location, by OpenLineage's conventions.

    :param location: a path, a URI or a link; user info, which may name an Airflow connection, is left out
    """
    told = public(location) if location else None
    scheme, found, rest = (told or "").partition("://")
    if not found:
        return None
    scheme = scheme.lower()
    if scheme == "file":
        return "file", rest
    host, _, path = rest.partition("/")
    host = host.rpartition("@")[2]
    is_link = scheme in ("http", "https")
    return f"{_SAME_STORE.get(scheme, scheme)}://{host}", f"/{path}" if is_link else path


def _base_url(conn_id: str) -> str | None:
    try:
        return ImageRouterHook(conn_id).settings.base_url
    except Exception as error:  # the work is done; whatever is wrong with the connection now
        log.debug("The lineage does not say where the API is: %s", error)
        return None
