"""What the operators that pay share: doing the work in a worker, or handing it to the triggerer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import conf
from typing_extensions import override

from airflow_provider_imagerouter.compat import task_state_store
from airflow_provider_imagerouter.engine.existing import check_if_exists
from airflow_provider_imagerouter.engine.extras import with_default
from airflow_provider_imagerouter.exceptions import ImageRouterError, ImageRouterInputError
from airflow_provider_imagerouter.operators.base import ImageRouterBaseOperator
from airflow_provider_imagerouter.operators.failure import as_raised
from airflow_provider_imagerouter.operators.outlets import attach_result

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_imagerouter.engine.engine import OrphanPolicy
    from airflow_provider_imagerouter.engine.existing import IfExists
    from airflow_provider_imagerouter.engine.work import Work
    from airflow_provider_imagerouter.identity import Identity
    from airflow_provider_imagerouter.ledger.place import Place

T = TypeVar("T")


class ImageRouterPayingOperator(ImageRouterBaseOperator):
    """
    An operator that makes pictures, and pays for them.

    What is paid for once is not paid for again: a retry goes on where the last attempt stopped, with the help of notes
    that it keeps under ``output_path``, or where the deployment says (docs/guarantees.md).

    :param fallback_models: ids of models that are asked, one after the other, where the request's own model could not
        make it and nothing was billed: its provider failed, or there is no such model any more
    :param max_cost_usd: USD that all attempts of the task together may spend; the connection's if None
    :param max_run_cost_usd: USD that all tasks of the Dag run that have such a limit may spend together, mapped ones
        included; needs ``[imagerouter] ledger_path``; the connection's if None
    :param on_orphaned_intent: what to do about a call that an earlier attempt sent without learning its end:
        ``"resubmit"`` (it may be paid twice), ``"resubmit_unbilled"`` (only what was not
        billed; needs a connection with a management key) or ``"fail"``
    :param validate_model: check each request against the catalogue before it is sent: that the model makes what is
        asked for, and takes the picture, mask, size and seconds given; an id that the catalogue lacks only warns
    :param if_exists: what to do about a file that has a picture's name: ``"replace"``, ``"keep"`` or ``"fail"``
    :param sidecar: whether a file beside each stored picture says what it is; ``[imagerouter] sidecars`` if None
    :param embed_metadata: whether each stored picture's own file says what it is
    :param deferrable: do the work in the triggerer, so that it holds no worker slot; ``[operators]
        default_deferrable`` if None
    """

    def __init__(
        self,
        *,
        fallback_models: Sequence[str] | str | None = None,
        max_cost_usd: float | str | None = None,
        max_run_cost_usd: float | str | None = None,
        on_orphaned_intent: OrphanPolicy = "resubmit",
        validate_model: bool = False,
        if_exists: IfExists = "replace",
        sidecar: bool | None = None,
        embed_metadata: bool = False,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fallback_models = fallback_models
        self.max_cost_usd = max_cost_usd
        self.max_run_cost_usd = max_run_cost_usd
        self.validate_model = validate_model
        self.on_orphaned_intent = on_orphaned_intent
        self.if_exists = if_exists
        self.sidecar = sidecar
        self.embed_metadata = embed_metadata
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        if on_orphaned_intent not in ("resubmit", "resubmit_unbilled", "fail"):
            raise ImageRouterInputError(
                f"on_orphaned_intent must be 'resubmit', 'resubmit_unbilled' or 'fail', not {on_orphaned_intent!r}"
            )
        check_if_exists(if_exists)

    @override
    def _execute(self, context: Context) -> Any:
        """
        Do the work, or hand it to the triggerer; what it cost is pushed as ``cost_usd`` (USD), if that is known.

        :return: a list of records (of a batch, a manifest)
        """
        from airflow_provider_imagerouter.ledger import where

        work = self._work(context)
        store = task_state_store(context)
        if self.deferrable:
            from airflow_provider_imagerouter.triggers.imagerouter import ImageRouterTrigger

            if place := where.hand_to_trigger(work.identity, work.folder, store):
                work = work.put_aside(place)
            self.defer(
                trigger=ImageRouterTrigger(work.to_json()),
                method_name="execute_complete",
                timeout=self.execution_timeout,
            )
        place = where.in_worker(work.identity, work.folder, store)
        return self._deliver(context, self._run(work.run(place)), place)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """
        Return what the trigger made.

        :param event: how the trigger ended
        :raises ImageRouterError: as :meth:`execute`
        """
        try:
            self._result = self._execute_complete(context, event)
        except ImageRouterError as error:
            raise as_raised(error, context, self) from None
        attach_result(context, self.outlets, self._result)
        return self._result

    def _execute_complete(self, context: Context, event: Any) -> Any:
        """Return what the trigger made."""
        from airflow_provider_imagerouter.identity import Identity
        from airflow_provider_imagerouter.ledger import where
        from airflow_provider_imagerouter.triggers.event import read_event

        identity = Identity.of(context)
        place = where.take_from_trigger(identity, self._folder(identity), task_state_store(context))
        return self._deliver(context, read_event(event), place)

    @abstractmethod
    def _folder(self, identity: Identity) -> str | None:
        """Return the folder that pictures are stored in, if any."""

    @abstractmethod
    def _work(self, context: Context) -> Work:
        """Return what is to be done."""

    def _conditions(self, context: Context) -> dict[str, Any]:
        """Return how it is to be done: what all kinds of work have in common."""
        from airflow_provider_imagerouter.identity import Identity

        identity = Identity.of(context)
        return {
            "identity": identity,
            "max_tries": context["ti"].max_tries,
            "imagerouter_conn_id": self.imagerouter_conn_id,
            "folder": self._folder(identity),
            "max_cost_usd": None if self.max_cost_usd is None else str(self.max_cost_usd),
            "max_run_cost_usd": None if self.max_run_cost_usd is None else str(self.max_run_cost_usd),
            "on_orphaned_intent": self.on_orphaned_intent,
            "validate_model": self.validate_model,
            "if_exists": self.if_exists,
            "sidecar": with_default(self.sidecar),
            "embed_metadata": self.embed_metadata,
        }

    @abstractmethod
    def _cost(self, result: Any) -> float | None:
        """Return what the result cost, USD."""

    def _say(self, result: Any) -> None:
        """Say in the log what there is now, unless the work has said it."""

    def _deliver(self, context: Context, result: T, place: Place) -> T:
        """
        Push the cost, and mark the ledger: whoever clears a finished task wants other pictures.

        Its notes stay: what comes after this may fail, and be tried again.
        """
        from airflow_provider_imagerouter.ledger.claims import note_finished
        from airflow_provider_imagerouter.ledger.removal import remove_old

        cost = self._cost(result)
        if cost is not None:  # Airflow 3.0.6 takes no null, and for a reader of 3.3.2 it is as good as none
            context["ti"].xcom_push(key="cost_usd", value=cost)
        try:
            note_finished(place, context["ti"].max_tries)
        except Exception as error:  # whatever the place's own library raises; the task has succeeded
            self.log.warning("A clear will return the same pictures, as it cannot be noted that it ended: %s", error)
        remove_old(place)
        self._say(result)
        return result
