"""What a later attempt of a task does about what earlier ones sent, paid for and stored."""

from __future__ import annotations

import pytest

from airflow_provider_imagerouter.exceptions import ImageRouterProviderError, ImageRouterStorageError


def test_success_leaves_the_picture_and_no_notes(attempts):
    (record,) = attempts.generate()
    assert attempts.totals["billed_calls"] == 1
    assert [str(path) for path in attempts.pictures()] == [record["path"].removeprefix("file://")]
    assert attempts.notes() == []
