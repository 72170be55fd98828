"""The corpus: incremental, deduplicated, whole or not at all."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from finetune.corpus import Corpus, ImportReport
from finetune.errors import BadExport, FinetuneError
from finetune.importers import importer_for
from tests.conftest import SAMPLE_CHAT, run_botconvo

SAMPLE = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))


def write(path: Path, messages: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({**SAMPLE, "messages": messages}), encoding="utf-8")
    return path


def add(path: Path, corpus_file: Path = Path("c.sqlite")) -> ImportReport:
    with Corpus.open(corpus_file, create=True) as corpus:
        return corpus.add(importer_for(path), path)


def texts(corpus_file: Path = Path("c.sqlite")) -> list[str]:
    with Corpus.open(corpus_file) as corpus:
        return [message.text for message in corpus.messages()]


def test_importing_again_adds_nothing(tmp_path: Path) -> None:
    first, second = add(SAMPLE_CHAT), add(SAMPLE_CHAT)
    assert (first.read, first.kept, first.duplicates) == (3541, 3541, 0)
    assert (second.read, second.kept, second.duplicates) == (3541, 0, 3541)


def test_an_overlapping_export_adds_only_what_is_new(tmp_path: Path) -> None:
    add(write(tmp_path / "a.json", SAMPLE["messages"][:50]))
    report = add(write(tmp_path / "b.json", SAMPLE["messages"][40:70]))
    assert (report.kept, report.duplicates) == (20, 10)
    assert texts() == [m["content"] for m in SAMPLE["messages"][:70]]


def test_a_newer_edit_replaces_the_wording_and_an_older_one_does_not(tmp_path: Path) -> None:
    original = {**SAMPLE["messages"][10], "timestampEdited": None}
    edited = {**original, "content": "mended", "timestampEdited": "2024-12-01T00:00:00+00:00"}
    add(write(tmp_path / "a.json", [original]))
    report = add(write(tmp_path / "b.json", [edited]))
    assert (report.duplicates, report.replaced) == (1, 1)
    add(write(tmp_path / "a.json", [original]))
    assert texts() == ["mended"]


def test_a_broken_export_leaves_nothing_behind(tmp_path: Path) -> None:
    add(write(tmp_path / "a.json", SAMPLE["messages"][:10]))
    data = SAMPLE_CHAT.read_bytes()
    (tmp_path / "cut.json").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadExport):
        add(tmp_path / "cut.json")
    assert len(texts()) == 10


def test_another_file_is_not_taken_for_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 100, encoding="utf-8")
    with pytest.raises(FinetuneError, match="is no corpus"), Corpus.open(tmp_path / "letter.txt"):
        pass
    database = sqlite3.connect(tmp_path / "other.sqlite")
    database.execute("CREATE TABLE t (x)")
    database.close()
    with pytest.raises(FinetuneError, match="no corpus of this"), Corpus.open(Path("other.sqlite")):
        pass


def test_the_import_command_reports_what_became_of_every_message() -> None:
    done = run_botconvo("import", SAMPLE_CHAT, "--json")
    [file] = json.loads(done.stdout)["files"]
    assert file["read"] == file["kept"] + file["duplicates"] + sum(file["skipped"].values())
    assert file["chat"] == "The Wrong Sofa / general"
    assert (file["first"][:10], file["last"][:10]) == ("2024-01-07", "2024-09-15")


def test_a_wrong_path_and_a_wrong_file_are_named_in_one_sentence_each(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text('{"notes": []}', encoding="utf-8")
    done = run_botconvo("import", "nowhere.json", "notes.json")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "botconvo: nowhere.json: no such file.",
        "botconvo: notes.json is no chat export that BotConvo knows (DiscordChatExporter JSON); "
        "export the chat once more with DiscordChatExporter and choose JSON.",
    ]
    assert not (tmp_path / "data").exists()


def test_a_cut_off_file_and_an_empty_folder_leave_no_corpus_behind(tmp_path: Path) -> None:
    Path("cut.json").write_bytes(SAMPLE_CHAT.read_bytes()[:500_000])
    Path("folder").mkdir()
    for path, sentence in (("cut.json", "cut off after message"), ("folder", "without any .json")):
        done = run_botconvo("import", path)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert sentence in done.stderr
        assert not Path("data/corpus.sqlite").exists()


def test_friends_lists_people_and_with_all_the_bots_too() -> None:
    run_botconvo("import", SAMPLE_CHAT)
    people = json.loads(run_botconvo("friends", "--json").stdout)
    everybody = json.loads(run_botconvo("friends", "--all", "--json").stdout)
    assert [row["name"] for row in people] == ["Marlow", "Priya", "Dex", "Juno"]
    assert {row["name"] for row in everybody} - {row["name"] for row in people} == {"DiceGoblin"}
    assert set(people[0]) == {
        "name", "platform", "id", "kind", "messages", "first", "last", "person",
    }  # fmt: skip


def test_without_a_corpus_the_next_step_is_named() -> None:
    done = run_botconvo("friends")
    assert done.returncode == 2
    assert "import a chat first: botconvo import EXPORT" in done.stderr


def test_next_steps_are_named_as_the_user_calls_the_program() -> None:
    done = run_botconvo("friends", env={**os.environ, "BOTCONVO_COMMAND": "./scripts/run"})
    assert done.stderr.endswith("import a chat first: ./scripts/run import EXPORT\n")
