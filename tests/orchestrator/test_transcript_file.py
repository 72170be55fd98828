"""A transcript of an older version on its way to today's form: killed, crowded, or without room."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import OrchestratorError
from orchestrator.transcript import file
from orchestrator.transcript.file import SCHEMA_VERSION, connect
from tests.conftest import ROOT

SCHEMA_1 = Path(__file__).parent / "files" / "transcript_of_schema_1.sqlite"
LINES = "SELECT id, said_at, speaker, kind, text, reply_to, why, unsaid FROM lines ORDER BY id"
VERSION = "PRAGMA user_version"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    return Path(shutil.copy(SCHEMA_1, tmp_path / "transcript.sqlite"))


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


OPENED = """
import functools, os, signal, sqlite3, sys
from pathlib import Path

class Mortal(sqlite3.Connection):
    def execute(self, statement, *values):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(statement, *values)

sqlite3.connect = functools.partial(sqlite3.connect, factory=Mortal)
left = int(sys.argv[2])
from orchestrator.transcript.file import connect
connect(Path(sys.argv[1])).close()
print("done", -left)
"""
"""Opens a transcript, and kills itself before so manieth statement (0: never)."""


def opened(path: Path, killed_before: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", OPENED, str(path), str(killed_before)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_migration_leaves_the_old_file_whole(older: Path, tmp_path: Path) -> None:
    before = rows(older, LINES)
    told = opened(Path(shutil.copy(older, tmp_path / "counted.sqlite"))).stdout.split()
    statements = int(told[1])
    assert (told[0], statements > 20) == ("done", True)
    # The last but two ends the transaction.
    for killed_before in (2, statements // 3, statements // 2, statements - 5, statements - 2):
        killed = opened(older, killed_before)
        assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, ""), killed.stderr
        assert rows(older, VERSION) == [(1,)], killed_before
        assert rows(older, LINES) == before
        # Of a long file it takes a while, in which nothing else is seen.
        assert ("is brought up to date" in killed.stderr) == (killed_before > 2)
    connect(older).close()
    assert rows(older, VERSION) == [(SCHEMA_VERSION,)]
    assert rows(older, LINES) == before
    assert all(rows(copy, LINES) == before for copy in tmp_path.glob("transcript.sqlite.v1*"))


def test_several_at_once_migrate_once(older: Path, tmp_path: Path) -> None:
    before = rows(older, LINES)
    command = [sys.executable, "-c", OPENED, str(older), "0"]
    running = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    told = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], told
    assert rows(older, LINES) == before
    assert [copy.name for copy in tmp_path.glob("*.v1*")] == ["transcript.sqlite.v1"]


def test_a_second_one_waits_until_the_first_has_migrated(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "PATIENCE_SECONDS", 0.0)
    with closing(sqlite3.connect(older, isolation_level=None)) as first, ThreadPoolExecutor() as at:
        first.execute("BEGIN IMMEDIATE")
        second = at.submit(lambda: connect(older).close())
        try:
            assert wait([second], timeout=0.5).not_done, second.exception()
        finally:
            first.execute("ROLLBACK")
        assert second.result() is None
    assert rows(older, VERSION) == [(SCHEMA_VERSION,)]


def test_without_room_nothing_is_changed(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = older.read_bytes()
    full = shutil._ntuple_diskusage(10**9, 10**9, 0)  # type: ignore[attr-defined]  # its only maker
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: full)
        with pytest.raises(OrchestratorError, match=r"takes 0 MB.*make room"):
            connect(older)
    assert older.read_bytes() == before
