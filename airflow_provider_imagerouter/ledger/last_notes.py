"""The last note of each request, in a temporary database: what it takes of memory does not grow with their number."""

from __future__ import annotations

import sqlite3

_TABLES = """
CREATE TABLE requests (key TEXT PRIMARY KEY, line BLOB NOT NULL, is_paid INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE inputs (location TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;
"""

_SET = """
INSERT INTO requests VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET line = excluded.line, is_paid = excluded.is_paid
WHERE excluded.is_paid OR NOT requests.is_paid
"""


class LastNotes:
    """Notes by what they are of; made only once there is one, and gone with this object."""

    def __init__(self) -> None:
        self._made: sqlite3.Connection | None = None

    def set(self, key: str, line: bytes, *, is_paid: bool) -> None:
        """
        Keep a note; that of what is paid for stays, whatever another attempt has done since.

        :param key: of the request
        :param line: the note
        :param is_paid: whether it says that the request is paid for
        """
        self._database().execute(_SET, (key, line, is_paid))

    def get(self, key: str) -> bytes:
        """
        Return the last note of a request, or nothing.

        :param key: of the request
        """
        if self._made is None:
            return b""
        row = self._made.execute("SELECT line FROM requests WHERE key = ?", (key,)).fetchone()
        return row[0] if row else b""

    def set_digest(self, location: str, digest: str) -> None:
        """
        Keep what an input picture is.

        :param location: what stands for where it was read
        :param digest: its SHA-256
        """
        self._database().execute("INSERT OR REPLACE INTO inputs VALUES (?, ?)", (location, digest))

    def digest(self, location: str) -> str | None:
        """
        Return what an input picture is, if that was noted.

        :param location: what stands for where it was read
        """
        if self._made is None:
            return None
        row = self._made.execute("SELECT sha256 FROM inputs WHERE location = ?", (location,)).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        """Forget all."""
        if self._made:
            self._made.close()

    def _database(self) -> sqlite3.Connection:
        if self._made is None:
            # Without a name it is a temporary file, written only where the cache of 2 MB does not do.
            self._made = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._made.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN; {_TABLES}")
        return self._made
