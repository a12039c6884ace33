"""The store that the ledger's tests lean on: honest unless told otherwise, as s3fs sees it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from airflow.sdk import ObjectStoragePath
from botocore.exceptions import HTTPClientError
from support.lying_s3 import BUCKET, URI, LyingS3
from support.s3_answers import OTHER_CODE, OTHER_HTML, Object


@pytest.fixture
def folder(lying_s3: LyingS3) -> ObjectStoragePath:
    found = ObjectStoragePath(f"{URI}/notes")
    found.fs.invalidate_cache()
    return found


def claim(path: ObjectStoragePath, content: bytes) -> bool:
    """s3fs looks first (FileExistsError), and writes under a condition (whose failure it calls an invalid argument)."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        if isinstance(error, FileExistsError) or "pre-conditions" in str(error):
            return False
        raise
    return True


def with_condition(folder: ObjectStoragePath, name: str, **condition: str) -> None:
    """Write under a condition, without looking first."""
    condition = condition or {"IfNoneMatch": "*"}
    folder.fs.call_s3("put_object", Bucket=BUCKET, Key=f"notes/{name}", Body=b"mine", **condition)


def test_what_is_written_is_read_listed_and_removed(folder: ObjectStoragePath, lying_s3: LyingS3) -> None:
    for name in ("a", "b c", "sub/d+é"):
        (folder / name).write_bytes(name.encode())
    assert {path.name for path in folder.iterdir()} == {"a", "b c", "sub"}
    assert (folder / "sub" / "d+é").read_bytes() == "sub/d+é".encode()
    assert (folder / "b c").stat()["size"] == 3
    (folder / "a").unlink()
    assert lying_s3.names() == ["notes/b c", "notes/sub/d+é"]
    with pytest.raises(FileNotFoundError):
        (folder / "a").read_bytes()


def test_a_large_object_comes_in_parts_and_is_read_in_ranges(folder: ObjectStoragePath, lying_s3: LyingS3) -> None:
    content = bytes(range(256)) * 50_000
    folder.fs.pipe_file((folder / "large").path, content, chunksize=5 * 2**20)
    assert (folder / "large").read_bytes() == content
    assert lying_s3.count("POST", "*/large") == 2
    with (folder / "large").open("rb") as file:
        file.seek(1_000_000)
        assert file.read(10) == content[1_000_000:1_000_010]


def test_one_of_sixteen_claims_wins(folder: ObjectStoragePath) -> None:
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda number: claim(folder / "claim", b"%d" % number), range(16)))
    assert won.count(True) == 1
    assert (folder / "claim").read_bytes() == b"%d" % won.index(True)


def test_a_write_may_demand_what_it_replaces(folder: ObjectStoragePath, lying_s3: LyingS3) -> None:
    (folder / "lease").write_bytes(b"one")
    etag = lying_s3.objects["notes/lease"].etag
    with_condition(folder, "lease", IfMatch=etag)
    with pytest.raises(OSError, match="pre-conditions"):
        with_condition(folder, "lease", IfMatch=etag)
    assert lying_s3.objects["notes/lease"].content == b"mine"


def test_a_lost_answer_makes_the_winner_look_like_a_loser(folder: ObjectStoragePath, lying_s3: LyingS3) -> None:
    lying_s3.lose_answers(keys="*/claim")
    assert claim(folder / "other", b"1")
    assert not claim(folder / "claim", b"mine")
    assert lying_s3.objects["notes/claim"].content == b"mine"
    puts = [asked.status for asked in lying_s3.asked if asked.key == "notes/claim" and asked.method == "PUT"]
    assert puts == [None, 412]


@pytest.mark.parametrize("dialect", [OTHER_CODE, OTHER_HTML])
def test_another_dialect_is_not_understood_by_s3fs(folder: ObjectStoragePath, lying_s3: LyingS3, dialect) -> None:
    lying_s3.precondition_failed = dialect
    (folder / "claim").write_bytes(b"first")
    with pytest.raises(OSError, match=r"PutObject|condition specified"):
        with_condition(folder, "claim")
    assert lying_s3.asked[-1].status == 412


def test_a_conflict_writes_nothing(folder: ObjectStoragePath, lying_s3: LyingS3) -> None:
    lying_s3.refuse()
    with pytest.raises(OSError, match=r"(?i)conflict"):
        claim(folder / "claim", b"mine")
    assert lying_s3.names() == []


def test_deletes_can_be_refused(folder: ObjectStoragePath, lying_s3: LyingS3) -> None:
    (folder / "a").write_bytes(b"1")
    lying_s3.keeps_all = True
    (folder / "a").unlink()  # s3fs deletes in bulk, and looks at no answer
    with pytest.raises(OSError, match="Access Denied"):
        folder.fs.rm_file((folder / "a").path)
    assert lying_s3.names() == ["notes/a"]


def test_a_listing_can_be_stale(folder: ObjectStoragePath, lying_s3: LyingS3) -> None:
    (folder / "a").write_bytes(b"1")
    with lying_s3.stale_listing():
        (folder / "b").write_bytes(b"2")
        folder.fs.invalidate_cache()
        assert [path.name for path in folder.iterdir()] == ["a"]
    folder.fs.invalidate_cache()
    assert [path.name for path in folder.iterdir()] == ["a", "b"]


@pytest.mark.parametrize("how", ["away", "closed"])
def test_it_can_be_away_and_come_back(folder: ObjectStoragePath, lying_s3: LyingS3, how: str) -> None:
    (folder / "a").write_bytes(b"1")
    setattr(lying_s3, how, True)
    with pytest.raises((OSError, HTTPClientError)):  # s3fs hands the second on as it is
        (folder / "a").read_bytes()
    setattr(lying_s3, how, False)
    assert (folder / "a").read_bytes() == b"1"


def test_it_can_be_slow(folder: ObjectStoragePath, lying_s3: LyingS3) -> None:
    lying_s3.delay = 0.2
    began = time.monotonic()
    (folder / "a").write_bytes(b"1")
    assert time.monotonic() - began >= 0.2


def test_a_listing_of_many_comes_in_pages(folder: ObjectStoragePath, lying_s3: LyingS3) -> None:
    names = [f"{number:04}" for number in range(2500)]
    lying_s3.objects.update({f"notes/{name}": Object(b"") for name in names})
    folder.fs.invalidate_cache()
    assert sorted(path.name for path in folder.iterdir()) == names
