"""
Words and eyes for Airflow's common-ai provider: a hook of its kind that asks ImageRouter's text models (extra ``ai``).

Airflow imports this only where a connection of this type is used or tested.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException, get_current_context
from typing_extensions import override

from airflow_provider_imagerouter.compat import task_state_store
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

SPENT = "imagerouter_words"
"""The key in Airflow's task state store of what the attempts of a task spent."""

_spent: dict[tuple[Any, int], Decimal] = {}
"""USD, by the attempts of tasks that run in this process: by id and number."""


class PydanticAIImageRouterHook(PydanticAIHook):
    """
    Let common-ai's operators (``@task.llm``, ``LLMFileAnalysisOperator``, agents, …) ask ImageRouter's text models.

    Key and base URL are those of a connection of type ``imagerouter``. What the calls of a task cost is pushed as
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
    Add a call's cost to the XCom ``cost_usd`` of the running task, if there is one: of all its attempts since a clear.

    At once, since what comes next may fail: it is paid for whatever becomes of it. Where Airflow keeps nothing across
    attempts (before 3.3) it is that of the last one.

    :param cost: USD
    """
    try:
        context = get_current_context()
    except Exception:  # no task is running: a notebook, the Test button
        return
    task_instance, store = context["ti"], task_state_store(context)
    attempt = task_instance.id, task_instance.try_number
    try:
        if attempt not in _spent:
            _spent[attempt] = _spent_before(store, task_instance.max_tries)
        _spent[attempt] += cost
        task_instance.xcom_push(key="cost_usd", value=float(_spent[attempt]))
        if store is not None:
            store.set(SPENT, {"usd": str(_spent[attempt]), "max_tries": task_instance.max_tries})
    except Exception as error:  # whatever Airflow or an XCom backend raises; the words are there, and paid for
        log.warning("A cost of $%s could not be added to the task's cost_usd: %s", cost, error)


def _spent_before(store: Any | None, max_tries: int) -> Decimal:
    """Return what earlier attempts spent; a clear, which raises ``max_tries``, begins anew."""
    noted = store.get(SPENT) if store is not None else None
    return Decimal(noted["usd"]) if noted and noted["max_tries"] == max_tries else Decimal(0)
