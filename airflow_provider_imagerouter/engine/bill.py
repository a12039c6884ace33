"""What pictures and failures cost together."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_imagerouter.exceptions import Bill

if TYPE_CHECKING:
    from airflow_provider_imagerouter.records import Record


def total_bill(records: Sequence[Record], errors: Sequence[Exception]) -> Bill:
    """
    Return what was billed for all that came of a request or a task; a cost that is not known counts as none.

    :param records: pictures, which are paid for
    :param errors: how other calls failed; whatever is not one of this package's says nothing of its bill
    """
    costs = [record["cost_usd"] for record in records] + [getattr(error, "cost", None) for error in errors]
    known = [Decimal(str(cost)) for cost in costs if cost is not None]
    said = {getattr(error, "billed", "unknown") for error in errors}
    return {
        "billed": "unknown" if "unknown" in said else "yes" if records or "yes" in said else "no",
        "cost": sum(known, Decimal(0)) if known else None,
    }
