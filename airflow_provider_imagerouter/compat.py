"""What differs between Airflow versions, or is not public in all of them: looked up by what is there, here alone."""

from __future__ import annotations

from typing import Any


def is_resolved_later(value: Any) -> bool:
    """
    Return whether Airflow replaces a value before the task runs.

    So it does with whatever it can resolve (outputs of tasks, their ``map``, ``zip`` and ``concat``, arguments of a
    mapped task group, parameters of a Dag, literals), and from 3.2 on with functions.

    :param value: an operator's argument, as it is when the Dag is parsed
    """
    # By what the value can do: the class of all that is resolved (ResolveMixin) is not public.
    return hasattr(value, "iter_references") or callable(value)
