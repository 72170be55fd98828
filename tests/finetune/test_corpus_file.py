"""Corpora of older versions, as that version's own code made them, under today's."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from finetune.corpus import Corpus
from finetune.corpus_file import COPIES, SCHEMA_VERSION
from finetune.errors import FinetuneError
from finetune.importers import importer_for
from finetune.message import ReadOptions
from finetune.reading.source import Source
from tests.conftest import ROOT, botconvo_here, run_botconvo

OLDER = {
    "1": ROOT / "tests" / "older" / "corpus_of_schema_1.sql",
    "2-early": ROOT / "tests" / "older" / "corpus_of_early_schema_2.sql",
}
EXPORTS = ROOT / "tests" / "exports"
DISCORD = EXPORTS / "discord_chat_exporter_json" / "group_3people_1bot_9messages.json"
WHATSAPP = EXPORTS / "whatsapp" / "WhatsApp Chat with Ville.txt"
LINES = EXPORTS / "one_persons_lines" / "Bo.csv"

MESSAGES = (
    "SELECT id, chat, account, CASE WHEN key LIKE '~%' THEN '' ELSE key END, kind, sent_ms,"
    " offset_seconds, edited_ms, text, reply_to, attachments FROM messages ORDER BY id"
)
"""All columns of all forms, but the keys that a corpus makes itself."""
CHATS = "SELECT id, platform, key, name FROM chats ORDER BY id"
ACCOUNTS = "SELECT id, platform, key, name, shown_name FROM accounts ORDER BY id"


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def script(path: Path, text: str) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(text)
    return path


@pytest.fixture(params=OLDER)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The form, and a corpus of it."""
    text = OLDER[request.param].read_text(encoding="utf-8")
    yield request.param, script(tmp_path / "corpus.sqlite", text)


def added(corpus: Corpus, export: Path) -> int:
    source = Source.of(export)
    return corpus.add(importer_for(source), source, ReadOptions(zone=UTC)).kept


def test_an_older_corpus_keeps_every_row_and_leaves_a_copy(older: tuple[str, Path]) -> None:
    form, path = older
    before = [rows(path, query) for query in (MESSAGES, CHATS, ACCOUNTS)]
    assert len(before[0]) >= 8
    for _ in range(2):
        with Corpus.open(path) as corpus:
            assert len(list(corpus.messages())) == len(before[0])
    assert [rows(path, query) for query in (MESSAGES, CHATS, ACCOUNTS)] == before
    assert rows(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    assert rows(path, "PRAGMA foreign_key_check") == rows(path, "PRAGMA integrity_check")[1:] == []
    (copy,) = path.parent.glob("corpus.sqlite.*")
    assert copy.name == f"corpus.sqlite.{COPIES[form]}"
    assert [rows(copy, query) for query in (MESSAGES, CHATS, ACCOUNTS)] == before


def test_that_it_was_brought_up_to_date_is_said_once(older: tuple[str, Path]) -> None:
    form, path = older
    first, second = (run_botconvo("friends", "--json", "--corpus", path) for _ in range(2))
    assert first.stderr.count(f"it is kept as corpus.sqlite.{COPIES[form]}.") == 1
    assert second.stderr == ""
    assert first.stdout == second.stdout != ""


def test_it_becomes_what_a_new_one_is(older: tuple[str, Path], tmp_path: Path) -> None:
    _, path = older
    forms = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    new = tmp_path / "new.sqlite"
    with Corpus.open(path), Corpus.open(new, create=True):
        assert rows(path, forms) == rows(new, forms)


def test_the_same_export_adds_nothing_to_an_older_corpus(older: tuple[str, Path]) -> None:
    form, path = older
    with Corpus.open(path) as corpus:
        assert added(corpus, DISCORD) == 0
        if form == "2-early":
            assert added(corpus, LINES) == 0
            assert added(corpus, WHATSAPP) == 0  # not even what the forgotten one wrote


def test_who_is_whom_stays(older: tuple[str, Path]) -> None:
    form, path = older
    with Corpus.open(path) as corpus:
        names = [name for _, name in sorted(corpus.person_names().items())]
    merged_and_renamed = ["bo", "Ville V."] if form == "2-early" else []
    assert names == ["Ada", "bo", "DiceBot", "cy", *merged_and_renamed]


def test_accounts_that_schema_1_had_merged_stay_one_person(tmp_path: Path) -> None:
    path = script(tmp_path / "c.sqlite", OLDER["1"].read_text(encoding="utf-8"))
    script(path, "UPDATE accounts SET person = 'Ada B.' WHERE key IN ('11', '14')")
    with Corpus.open(path) as corpus:
        assert corpus.person_names() == {1: "Ada B.", 2: "bo", 3: "DiceBot", 4: "Ada B."}


def test_a_newer_export_renames_the_accounts_of_an_older_corpus(tmp_path: Path) -> None:
    path = script(tmp_path / "c.sqlite", OLDER["1"].read_text(encoding="utf-8"))
    newer = tmp_path / "newer.json"
    text = DISCORD.read_text(encoding="utf-8").replace('"Ada"', '"Ada the Great"')
    newer.write_text(text.replace('"2026-01-01T11:00:5', '"2026-02-01T11:00:5'), encoding="utf-8")
    assert '"Ada the Great"' in text
    with Corpus.open(path) as corpus:
        added(corpus, newer)
        assert "Ada the Great" in corpus.person_names().values()


KILLED = """
import functools, os, signal, sqlite3, sys
from pathlib import Path

class Mortal(sqlite3.Connection):
    def execute(self, statement, *values):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(statement, *values)

sqlite3.connect = functools.partial(sqlite3.connect, factory=Mortal)
left = int(sys.argv[2])
from finetune.corpus import Corpus
with Corpus.open(Path(sys.argv[1])):
    print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("statements", [2, 6, 11, 16, 19])
def test_a_killed_migration_leaves_the_old_file_whole(
    older: tuple[str, Path], statements: int
) -> None:
    _, path = older
    version, before = rows(path, "PRAGMA user_version"), rows(path, MESSAGES)
    command = [sys.executable, "-c", KILLED, str(path), str(statements)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, ""), killed.stderr
    assert rows(path, "PRAGMA user_version") == version
    assert rows(path, MESSAGES) == before
    with Corpus.open(path) as corpus:
        assert len(list(corpus.messages())) == len(before)
    assert rows(path, MESSAGES) == before
    assert len(list(path.parent.glob("corpus.sqlite.*"))) == 1


def test_two_commands_at_once_migrate_once(older: tuple[str, Path]) -> None:
    form, path = older
    before = rows(path, MESSAGES)
    command = [sys.executable, "-m", "finetune", "friends", "--json", "--corpus", str(path)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
        for _ in range(3)
    ]
    told = [process.communicate(timeout=60) for process in running]
    assert len({out for out, _ in told}) == 1
    assert [process.returncode for process in running] == [0, 0, 0], told
    assert rows(path, MESSAGES) == before
    assert sum(b"is brought up to date" in errors for _, errors in told) == 1
    assert [copy.name for copy in path.parent.glob("*.v*")] == [f"corpus.sqlite.{COPIES[form]}"]


def test_without_room_nothing_is_changed(
    older: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = older
    before = path.read_bytes()
    full = shutil._ntuple_diskusage(10**9, 10**9, 0)  # type: ignore[attr-defined]  # its only maker
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: full)
        with pytest.raises(FinetuneError, match=r"takes 0 MB.*make room"), Corpus.open(path):
            pass
    assert path.read_bytes() == before
    assert list(path.parent.glob("corpus.sqlite.*")) == []


def test_if_the_copy_cannot_be_written_nothing_is_changed(older: tuple[str, Path]) -> None:
    form, path = older
    blocker = path.with_name(f"{path.name}.{COPIES[form]}.part")
    blocker.mkdir()
    before = rows(path, MESSAGES), rows(path, "PRAGMA user_version")
    with pytest.raises(FinetuneError, match="a copy to be kept"), Corpus.open(path):
        pass
    assert (rows(path, MESSAGES), rows(path, "PRAGMA user_version")) == before


OTHERS = {
    "newer": (OLDER["1"].read_text(encoding="utf-8") + "PRAGMA user_version = 3;", "newer BotCon"),
    "foreign": ("CREATE TABLE songs (id); PRAGMA user_version = 2;", "another program's database"),
    "no number": ("CREATE TABLE accounts (id, person);", "another program's database"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_databases_are_refused_and_left_as_they_are(tmp_path: Path, kind: str) -> None:
    text, message = OTHERS[kind]
    path = script(tmp_path / "c.sqlite", text)
    before = path.read_bytes()
    told = botconvo_here("friends", "--corpus", path)
    assert (told.returncode, told.stdout) == (2, "")
    assert message in told.stderr
    assert path.read_bytes() == before


def test_a_person_who_is_forgotten_leaves_older_copies_too(older: tuple[str, Path]) -> None:
    _, path = older
    run = ["forget", "bo", "--corpus", path]
    with Corpus.open(path):
        pass
    (copy,) = path.parent.glob("*.v*")
    done = botconvo_here(*run)
    assert done.returncode == 0, done.stderr
    assert str(copy) in done.stdout
    assert not copy.exists()
