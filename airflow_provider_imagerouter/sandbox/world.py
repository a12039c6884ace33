"""Everything the sandbox remembers between requests; a reset makes a new one."""

from __future__ import annotations

from collections import Counter

from airflow_provider_imagerouter.sandbox.accounts import open_accounts
from airflow_provider_imagerouter.sandbox.behaviours import WELL_BEHAVED, Behaviour
from airflow_provider_imagerouter.sandbox.books import Ledger
from airflow_provider_imagerouter.sandbox.limits import FixedWindow
from airflow_provider_imagerouter.sandbox.stored_files import Storage

SPENT_KEY_STATUS = 402


class World:
    """Keys, limits, ledger and pictures. Calls in flight during a reset end in the world they began in."""

    def __init__(self) -> None:
        """Open the accounts afresh."""
        self.keys = open_accounts()
        self.ledger = Ledger()
        self.storage = Storage()
        self.clients = FixedWindow()
        self.paying_clients = FixedWindow(60)
        self.image_keys = FixedWindow()
        self.video_keys = FixedWindow()
        self.free_calls = 0
        self.spent_key_status = SPENT_KEY_STATUS
        self._seen: Counter[tuple[str, str]] = Counter()

    def behave(self, behaviour: Behaviour, model_id: str, prompt: str) -> Behaviour:
        """Say what a call does: some models misbehave only the first time they see a prompt.

        :param behaviour: of the model
        """
        if not behaviour.first_calls:
            return behaviour
        self._seen[model_id, prompt] += 1
        return behaviour if self._seen[model_id, prompt] <= behaviour.first_calls else WELL_BEHAVED
