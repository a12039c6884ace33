"""Retrying when the server asked to, for Airflow's ``retry_policy`` (Airflow >= 3.3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException
from typing_extensions import override

from airflow_provider_imagerouter.exceptions import ImageRouterRateLimitError

try:
    from airflow.sdk import RetryDecision, RetryPolicy
except ImportError as error:
    raise AirflowOptionalProviderFeatureException("ImageRouterRetryPolicy needs Airflow 3.3 or newer") from error

if TYPE_CHECKING:
    from airflow.sdk import Context


class ImageRouterRetryPolicy(RetryPolicy):
    """
    Wait before a retry for as long as ImageRouter asked; otherwise as the task says.

    Errors for which a retry makes no sense fail the task at once without it, too. Example::

        ImageRouterGenerateOperator(task_id="poster", ..., retries=5, retry_policy=ImageRouterRetryPolicy())
    """

    @override
    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        if isinstance(exception, ImageRouterRateLimitError):
            return RetryDecision.retry(timedelta(seconds=exception.retry_after), reason=str(exception))
        return RetryDecision.default()
