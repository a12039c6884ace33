"""
Words and eyes for Airflow's common-ai provider: a hook of its kind that asks ImageRouter's text models (extra ``ai``).

Airflow imports this only where a connection of this type is used or tested.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException, get_current_context
from typing_extensions import override

from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterInputError
from airflow_provider_imagerouter.hooks.defaults import AI_CONN_ID, DEFAULT_CONN_ID
from airflow_provider_imagerouter.hooks.imagerouter import ImageRouterHook

try:
    from airflow.providers.common.ai.hooks.pydantic_ai import PydanticAIHook
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    from airflow_provider_imagerouter.hooks.openai_client import new_openai_client
except ImportError as error:
    raise AirflowOptionalProviderFeatureException(
        "Text models need Airflow's common-ai provider: pip install 'airflow-provider-imagerouter[ai]'"
    ) from error

if TYPE_CHECKING:
    from pydantic_ai.models import Model

    from airflow_provider_imagerouter.api.catalogue import Catalogue

log = logging.getLogger(__name__)

CHAT = "openai-chat"
"""pydantic-ai's name of what speaks ``/v1/openai/chat/completions``."""

RESPONSES = ("openai", "openai-responses")
"""pydantic-ai's names of what speaks ``/v1/openai/responses``."""

_spent: defaultdict[str, Decimal] = defaultdict(Decimal)
"""USD, by the attempts of tasks that run in this process."""


class PydanticAIImageRouterHook(PydanticAIHook):
    """
    Let common-ai's operators (``@task.llm``, ``LLMFileAnalysisOperator``, agents, …) ask ImageRouter's text models.

    Key and base URL are those of a connection of type ``imagerouter``. What all calls of a task cost is pushed as
    ``cost_usd``, as by the operators that make pictures, and counts for common-ai's own ``usage_limits``.

    :param llm_conn_id: connection of type ``pydanticai_imagerouter``; its extra has ``model``, ``imagerouter_conn_id``
        (``imagerouter_default`` if empty) and ``fallback_conn_ids``
    :param model_id: model id as the catalogue has it, asked by chat completions; ``openai:`` before it asks by
        responses. The connection's if None
    :param fallback_conn_ids: other connections of common-ai's types, asked if this one fails; the connection's if None
    """

    conn_type = "pydanticai_imagerouter"
    default_conn_name = AI_CONN_ID
    hook_name = "Pydantic AI (ImageRouter)"
    model_provider = CHAT

    @classmethod
    @override
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        from airflow_provider_imagerouter.hooks.form import AI_UI_FIELD_BEHAVIOUR

        return {key.replace("-", "_"): value for key, value in AI_UI_FIELD_BEHAVIOUR.items()}

    @cached_property
    def imagerouter(self) -> ImageRouterHook:
        """The hook of the connection that has the key."""
        _, extra = self._get_conn_and_extra()
        return ImageRouterHook(extra.get("imagerouter_conn_id") or DEFAULT_CONN_ID)

    @override
    def test_connection(self) -> tuple[bool, str]:
        """Return whether key and model are good, with the balance or the reason; nothing is paid."""
        good, said = self.imagerouter.test_connection()
        if not good:
            return False, said
        try:
            model = self.get_conn().model_name
            if not self._check(model):
                return False, self._text_models.describe_missing(model)
        except Exception as error:  # the Test button shows whatever is wrong
            return False, str(error)
        return True, f"{said}; {model} is a text model"

    @override
    def _get_provider_kwargs(self, api_key: str | None, base_url: str | None, extra: dict[str, Any]) -> dict[str, Any]:
        return {"openai_client": new_openai_client(self.imagerouter.settings, push_cost)}

    @override
    def _qualify_model_name(self, model_name: str, **forwarded: Any) -> str:
        qualified: str = super()._qualify_model_name(model_name, **forwarded)
        provider, _, model = qualified.partition(":")
        if provider not in (CHAT, *RESPONSES):
            raise ImageRouterInputError(
                f"The model of the connection {self.llm_conn_id!r} must be an id of ImageRouter's, such as "
                f"openai/gpt-5-mini, perhaps with {CHAT}: or {RESPONSES[0]}: before it, not {model_name!r}"
            )
        self._check(model)
        return qualified

    @override
    def _resolve_own_model(self, **forwarded: Any) -> Model:
        model = super()._resolve_own_model(**forwarded)
        if not isinstance(model, OpenAIChatModel | OpenAIResponsesModel):
            return model
        # For OpenAI's own provider every model is one of OpenAI's; this one goes by the maker in the id.
        return type(model)(
            model.model_name, provider=OpenAICompatibleProvider("imagerouter", openai_client=model.client)
        )

    def _check(self, model: str) -> bool:
        """
        Return whether the catalogue has a text model; warn if it does not: the API may know more names than it lists.

        :raises ImageRouterInputError: if it makes something else
        """
        try:
            if model in self._text_models:
                return True
            other = self.imagerouter.list_models()
        except ImageRouterError as error:
            log.warning("The model %s could not be looked up in ImageRouter's catalogue: %s", model, error)
            return True
        if model in other:
            raise ImageRouterInputError(f"{model} makes {' and '.join(other[model].output)}, not text")
        log.warning("%s", self._text_models.describe_missing(model))
        return False

    @cached_property
    def _text_models(self) -> Catalogue:
        return self.imagerouter.list_models(output="text")


def push_cost(cost: Decimal) -> None:
    """
    Add a call's cost to the XCom ``cost_usd`` of the running task, if there is one.

    At once, since what comes next may fail: it is paid for whatever becomes of it.

    :param cost: USD
    """
    try:
        task_instance = get_current_context()["ti"]
    except Exception:  # no task is running: a notebook, the Test button
        return
    attempt = str(task_instance.id)
    _spent[attempt] += cost
    try:
        task_instance.xcom_push(key="cost_usd", value=float(_spent[attempt]))
    except Exception as error:  # whatever an XCom backend raises
        log.warning("The cost, $%s up to now, could not be pushed: %s", _spent[attempt], error)
