"""The account's credits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from airflow_provider_imagerouter.api.call import Call, Reply
from airflow_provider_imagerouter.api.reply import read_json_object, senseless


@dataclass(frozen=True)
class Credits:
    """
    What an account holds (``GET /v1/credits``), in USD.

    :param remaining: what is left
    :param used: what was spent so far
    :param deposited: what was paid in so far
    """

    remaining: Decimal
    used: Decimal
    deposited: Decimal

    @property
    def calls_per_second(self) -> float:
        """How many calls the API takes of the account's keys (measured, February 2026)."""
        return min(max(6.0, 4 * float(self.remaining)), 100.0)


def get_credits_call() -> Call[Credits]:
    """Return the call that asks what the account holds."""
    return Call("GET", "/v1/credits", read_credits)


def read_credits(reply: Reply) -> Credits:
    """
    Read the reply to a question about credits; the API sends amounts as strings.

    :raises ImageRouterResponseError: if the API said no, or the reply makes no sense
    """
    payload = read_json_object(reply)
    try:
        return Credits(
            remaining=Decimal(payload["remaining_credits"]),
            used=Decimal(payload["credit_usage"]),
            deposited=Decimal(payload["total_deposits"]),
        )
    except (KeyError, TypeError, ValueError, InvalidOperation):
        raise senseless("ImageRouter's word on the account's credits", payload) from None
