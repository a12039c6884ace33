"""``kill -9`` at random moments, twenty times over; then the sandbox is asked what was billed."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from airflow_provider_imagerouter.ledger.ledger import fingerprint

KILLS = 20
SEED = random.randrange(10**6)
CATS = [f"cat {number}" for number in range(60)]
MODEL = "sandbox/slow-0.3"
PROMPTS = {fingerprint({"prompt": prompt, "model": MODEL}, [], []): prompt for prompt in CATS}


def states(attempts):
    """The states of the entries of the ledger, by prompt and generation."""
    found = {}
    for path in sorted(attempts.notes):
        key, _, generation = path.name.partition(".")
        text = path.read_text().strip()
        if generation and text:
            found[PROMPTS[key.rpartition("-")[0]], generation] = json.loads(text)["state"]
    return found


def unfinished(attempts):
    """Ledgers that a success neither removed nor marked: it only marks them while a killed attempt's lease runs."""
    folders = {note.parent for note in attempts.notes}
    return {folder for folder in folders if not (folder / "finished").exists()}


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
            if self.number == KILLS or attempt.wait(self._dice.uniform(0, longest)) or not attempt.kill():
                return attempt.outcome
            self.number += 1
            for (prompt, generation), state in states(self.attempts).items():
                if state == "intent":
                    self.in_flight.add((prompt, generation))
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
    lost = [row["error"]["type"] for row in attempts.rows if row["status"] != "success"]
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
