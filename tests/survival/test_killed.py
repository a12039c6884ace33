"""``kill -9`` at random moments, twenty times over; then the sandbox is asked what was billed."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from support.ledgers import states

from airflow_provider_imagerouter.api.request import ImageRequest
from airflow_provider_imagerouter.engine.request_keys import RequestKeys

KILLS = 20
SEED = random.randrange(10**6)
CATS = [f"cat {number}" for number in range(60)]
MODEL = "sandbox/slow-0.3"


def states_by_prompt(attempts):
    """The states of all calls that the ledgers know of, by prompt, and how often it was sent before."""
    keys = {
        RequestKeys().key(attempts.sandbox.url, ImageRequest(prompt=prompt, model=MODEL), [], [], 1): prompt
        for prompt in CATS
    }
    return {(keys[key], number): state for (key, number), state in states(attempts.notes).items()}


def unfinished(attempts):
    """The ledgers that no success has marked."""
    return {folder for folder in attempts.folder.glob(".imagerouter/task-*") if not list(folder.glob("finished-*"))}


class Kills:
    """Kills attempts at random moments, and keeps what the ledger said then."""

    def __init__(self, attempts):
        self.attempts = attempts
        self.number = 0
        self.in_flight = set()
        self.safe = {}
        self._dice = random.Random(SEED)

    def run(self, kind, longest, **arguments):
        """Start and kill attempts until one gets to its end, or all kills are used up; return how it ended."""
        while True:
            attempt = self.attempts.start(kind, model=MODEL, **arguments)
            if self.number == KILLS or attempt.wait(self._dice.uniform(0, longest)):
                return attempt.outcome
            attempt.kill()
            self.number += 1
            for (prompt, number), state in states_by_prompt(self.attempts).items():
                if state == "intent":
                    self.in_flight.add((prompt, number))
                else:
                    self.safe.setdefault(prompt, self.attempts.calls[prompt])

    def check(self):
        """What was paid for at a kill was not sent again; what was in flight at one, once more for each at most."""
        calls = self.attempts.calls
        print(f"seed {SEED}: {self.number} kills, {len(self.in_flight)} calls in flight at them, {calls.total()} calls")
        assert {prompt: calls[prompt] for prompt in self.safe} == self.safe
        in_flight = Counter(prompt for prompt, _ in self.in_flight)
        assert all(calls[prompt] <= 1 + in_flight[prompt] for prompt in calls)
        assert calls.total() == self.attempts.totals["billed_calls"]


def test_a_batch_of_sixty(attempts):
    kills = Kills(attempts)
    outcome = kills.run("batch", 1.8, requests=CATS)
    assert outcome["result"]["succeeded"] == len(attempts.pictures) == 60
    assert set(attempts.calls) == set(CATS)
    assert unfinished(attempts) == set()
    kills.check()


def test_a_batch_of_sixty_that_must_not_pay_twice(attempts):
    kills = Kills(attempts)
    outcome = kills.run("batch", 1.8, requests=CATS, on_orphaned_intent="fail")
    assert set(attempts.calls.values()) == {1}
    kills.check()
    lost = [row["error_type"] for row in attempts.rows if row["status"] != "success"]
    assert set(lost) <= {"ImageRouterOrphanedIntentError"}
    assert len(lost) <= len(kills.in_flight)
    assert len(attempts.pictures) == 60 - len(lost)
    assert outcome.get("error") == ("ImageRouterBatchRefusedError" if lost else None)


@pytest.mark.parametrize("on_orphaned_intent", ["resubmit", "fail"])
def test_single_generates(attempts, on_orphaned_intent):
    kills = Kills(attempts)
    for number, prompt in enumerate(CATS):
        arguments = {"prompt": prompt, "run_id": f"run {number}", "on_orphaned_intent": on_orphaned_intent}
        outcome = kills.run("generate", 1.0, **arguments)
        assert outcome.get("error", "ImageRouterOrphanedIntentError") == "ImageRouterOrphanedIntentError"
        if on_orphaned_intent == "resubmit":
            assert len(outcome["result"]) == 1
        if kills.number == KILLS:
            break
    kills.check()
    if on_orphaned_intent == "fail":
        assert set(attempts.calls.values()) <= {1}
    else:
        assert len(attempts.pictures) == number + 1
        assert unfinished(attempts) == set()
