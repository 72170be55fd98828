"""The corpus: incremental, deduplicated, whole or not at all."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from finetune.corpus import Corpus
from finetune.errors import BadExport, FinetuneError
from finetune.importers import importer_for
from finetune.intake import ImportReport
from finetune.message import ReadOptions
from finetune.reading.source import Source
from tests.conftest import SAMPLE_CHAT, botconvo_here, run_botconvo

SAMPLE = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))


def write(path: Path, messages: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({**SAMPLE, "messages": messages}), encoding="utf-8")
    return path


def add(path: Path, corpus_file: Path = Path("c.sqlite"), *, prune: bool = False) -> ImportReport:
    source = Source.of(path)
    with Corpus.open(corpus_file, create=True) as corpus:
        return corpus.add(importer_for(source), source, ReadOptions(zone=UTC), prune=prune)


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


def test_a_file_that_ends_in_the_middle_gives_what_it_holds_and_says_so(tmp_path: Path) -> None:
    data = SAMPLE_CHAT.read_bytes()
    (tmp_path / "cut.json").write_bytes(data[: len(data) // 2])
    report = add(tmp_path / "cut.json")
    assert report.read == report.kept == len(texts()) > 1000
    assert "is broken or cut off after record 1" in str(report.broken_off)
    assert texts() == [m["content"] for m in SAMPLE["messages"][: report.read]]
    whole = add(SAMPLE_CHAT)
    assert (whole.kept, whole.duplicates) == (3541 - report.read, report.read)


def test_a_file_that_gives_nothing_leaves_the_corpus_as_it_was(tmp_path: Path) -> None:
    add(write(tmp_path / "a.json", SAMPLE["messages"][:10]))
    head = SAMPLE_CHAT.read_bytes()
    (tmp_path / "cut.json").write_bytes(head[: head.index(b'"messages"') + 20])
    with pytest.raises(BadExport):
        add(tmp_path / "cut.json")
    assert len(texts()) == 10


def test_a_file_read_before_is_known_again_without_reading_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [*SAMPLE["messages"][:10], {"id": "1"}])
    first, second = add(path), add(path)
    assert (second.read, second.duplicates, second.skipped) == (11, 10, first.skipped)
    assert (second.problems, second.first, second.last) == (
        first.problems, first.first, first.last,
    )  # fmt: skip
    write(path, SAMPLE["messages"][:12])
    assert add(path).kept == 2


def test_pruning_takes_out_what_a_later_export_of_the_span_no_longer_holds(
    tmp_path: Path,
) -> None:
    add(write(tmp_path / "old.json", SAMPLE["messages"][:30]))
    later = [*SAMPLE["messages"][5:12], *SAMPLE["messages"][14:20]]
    report = add(write(tmp_path / "new.json", later), prune=True)
    assert (report.kept, report.duplicates, report.pruned) == (0, 13, 2)
    kept = [*SAMPLE["messages"][:12], *SAMPLE["messages"][14:30]]
    assert texts() == [m["content"] for m in kept]
    assert add(tmp_path / "old.json").kept == 2


def test_an_export_of_one_persons_messages_prunes_nobody_else(tmp_path: Path) -> None:
    add(write(tmp_path / "old.json", SAMPLE["messages"][:60]))
    own = [m for m in SAMPLE["messages"][:60] if m["author"]["nickname"] == "Marlow"]
    report = add(write(tmp_path / "marlow.json", [*own[:3], *own[4:]]), prune=True)
    assert report.pruned == 1
    assert len(texts()) == 59


def test_a_guessed_order_of_day_and_month_can_be_mended_by_a_second_import(tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat with Bo.txt"
    path.write_text("01/02/2024, 10:30 - Bo: hi\n02/02/2024, 10:30 - Bo: ho\n", encoding="utf-8")
    days = []
    for options in (
        ReadOptions(zone=UTC, day_first=True),
        ReadOptions(zone=UTC, day_first=False),
        ReadOptions(zone=ZoneInfo("Asia/Tokyo"), day_first=False),
    ):
        source = Source.of(path)
        with Corpus.open(Path("c.sqlite"), create=True) as corpus:
            corpus.add(importer_for(source), source, options)
            days.append([m.sent_at.isoformat() for m in corpus.messages()])
    assert days == [
        ["2024-02-01T10:30:00+00:00", "2024-02-02T10:30:00+00:00"],
        ["2024-01-02T10:30:00+00:00", "2024-02-02T10:30:00+00:00"],
        ["2024-01-02T10:30:00+09:00", "2024-02-02T10:30:00+09:00"],
    ]


def test_people_are_called_by_their_newest_name_whatever_is_imported_last(tmp_path: Path) -> None:
    new = {
        **SAMPLE["messages"][30],
        "author": {**SAMPLE["messages"][30]["author"], "nickname": "X"},
    }
    for name, messages in (("new", [new]), ("old", SAMPLE["messages"][:30])):
        add(write(tmp_path / f"{name}.json", messages))
    with Corpus.open(Path("c.sqlite")) as corpus:
        assert "X" in corpus.person_names().values()


def test_a_file_that_is_not_whole_prunes_nothing(tmp_path: Path) -> None:
    add(write(tmp_path / "old.json", SAMPLE["messages"][:30]))
    broken = [SAMPLE["messages"][0], {"id": "1"}, SAMPLE["messages"][29]]
    report = add(write(tmp_path / "new.json", broken), prune=True)
    assert report.pruned == 0
    assert "Nothing was pruned" in report.remarks[0]
    assert len(texts()) == 30


def test_halves_of_surrogate_pairs_are_stored_as_what_they_can_be(tmp_path: Path) -> None:
    odd = {**SAMPLE["messages"][0], "content": "a \ud83d b \x00 c"}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**SAMPLE, "messages": [odd]}), encoding="utf-8")
    add(path)
    assert texts() == ["a ? b \x00 c"]


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-10:00", "0001-01-01T00:00:00+00:00"]
)
def test_a_time_that_no_calendar_has_is_counted_and_harms_nobody(tmp_path: Path, time: str) -> None:
    odd = {**SAMPLE["messages"][0], "timestamp": time}
    report = add(write(tmp_path / "a.json", [odd, SAMPLE["messages"][1]]))
    assert (report.read, report.kept, dict(report.skipped)) == (2, 1, {"no possible time": 1})
    assert texts() == [SAMPLE["messages"][1]["content"]]


def test_a_full_disk_is_one_sentence_and_what_was_reported_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", SAMPLE["messages"][:10])
    source = Source.of(SAMPLE_CHAT)
    with Corpus.open(Path("c.sqlite"), create=True) as corpus:
        corpus.add(importer_for(Source.of(path)), Source.of(path), ReadOptions())
        pages = corpus.database.execute("PRAGMA page_count").fetchone()[0]
        corpus.database.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(FinetuneError, match="the disk is full; what was not reported"):
            corpus.add(importer_for(source), source, ReadOptions())
    assert len(texts()) == 10


def test_two_first_imports_at_once_keep_what_either_brought(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "finetune", "import", "--json"]
    write(tmp_path / "a.json", SAMPLE["messages"][:1500])
    write(tmp_path / "b.json", SAMPLE["messages"][1500:])
    running = [
        subprocess.Popen([*command, name], stdout=subprocess.DEVNULL)
        for name in ("a.json", "b.json")
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len(texts(Path("data/corpus.sqlite"))) == 3541


def test_a_corpus_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder.sqlite"
    folder.mkdir()
    with (
        pytest.raises(FinetuneError, match=r"folder\.sqlite may not be opened or written by you"),
        Corpus.open(folder, create=True),
    ):
        pass


def test_another_file_is_not_taken_for_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 100, encoding="utf-8")
    with pytest.raises(FinetuneError, match="is no corpus"), Corpus.open(tmp_path / "letter.txt"):
        pass
    database = sqlite3.connect(tmp_path / "other.sqlite")
    database.execute("CREATE TABLE t (x)")
    database.close()
    with pytest.raises(FinetuneError, match="another program"), Corpus.open(Path("other.sqlite")):
        pass


def test_the_import_command_reports_what_became_of_every_message() -> None:
    done = run_botconvo("import", SAMPLE_CHAT, "--json")
    [file] = json.loads(done.stdout)["files"]
    assert file["read"] == file["kept"] + file["duplicates"] + sum(file["skipped"].values())
    assert file["chat"] == "The Wrong Sofa / general"
    assert (file["first"][:10], file["last"][:10]) == ("2024-01-07", "2024-09-15")


def test_a_wrong_path_and_a_wrong_file_are_named_in_one_sentence_each(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text('{"notes": []}', encoding="utf-8")
    (tmp_path / "nothing.json").touch()
    done = botconvo_here("import", "nowhere.json", "notes.json", "nothing.json")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0] == "botconvo: nowhere.json: no such file."
    assert lines[1].startswith("botconvo: notes.json is no chat export that BotConvo knows; it")
    assert lines[2] == "botconvo: nothing.json is empty; export the chat once more."
    assert len(lines) == 3
    assert not (tmp_path / "data").exists()


def test_a_folder_without_exports_leaves_no_corpus_behind() -> None:
    Path("folder").mkdir()
    for sentence in ("folder is an empty folder", "folder holds 1 files and none is a chat export"):
        done = botconvo_here("import", "folder")
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert sentence in done.stderr
        assert not Path("data/corpus.sqlite").exists()
        Path("folder/notes.txt").write_text("milk, eggs", encoding="utf-8")


def test_files_folders_and_zips_may_be_mixed(tmp_path: Path) -> None:
    part = [write(tmp_path / f"{n}.json", SAMPLE["messages"][n * 9 : n * 9 + 9]) for n in range(3)]
    (tmp_path / "folder").mkdir()
    part[1].rename(tmp_path / "folder" / "1.json")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as file:
        file.write(part[2], "deep/er/2.json")
    done = botconvo_here("import", "0.json", "folder", "two.zip", "0.json", "--json")
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    assert [file["kept"] for file in files] == [9, 9, 9]
    assert [file["path"] for file in files] == ["0.json", "folder/1.json", "two.zip/deep/er/2.json"]


def test_one_bad_file_among_good_ones_is_reported_and_the_rest_goes_in(tmp_path: Path) -> None:
    Path("folder").mkdir()
    for number in range(30):
        write(Path("folder") / f"{number}.json", SAMPLE["messages"][number : number + 1])
    data = Path("folder/7.json").read_bytes()
    Path("folder/7.json").write_bytes(data[: data.index(b'"messages"') + 30])
    done = botconvo_here("import", "folder")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "folder/7.json is broken or cut off after record 0" in done.stderr
    assert "29 read = 29 new + 0 already there + 0 skipped" in done.stdout


def test_friends_lists_people_and_with_all_the_bots_too() -> None:
    botconvo_here("import", SAMPLE_CHAT)
    people = json.loads(botconvo_here("friends", "--json").stdout)
    everybody = json.loads(botconvo_here("friends", "--all", "--json").stdout)
    assert [row["name"] for row in people] == ["Marlow", "Priya", "Dex", "Juno"]
    assert {row["name"] for row in everybody} - {row["name"] for row in people} == {"DiceGoblin"}
    assert set(people[0]) == {
        "name", "platform", "id", "kind", "messages", "first", "last", "person",
    }  # fmt: skip


def test_without_a_corpus_the_next_step_is_named() -> None:
    done = botconvo_here("friends")
    assert done.returncode == 2
    assert "import a chat first: botconvo import EXPORT" in done.stderr


def test_next_steps_are_named_as_the_user_calls_the_program() -> None:
    done = run_botconvo("friends", env={**os.environ, "BOTCONVO_COMMAND": "./scripts/run"})
    assert done.stderr.endswith("import a chat first: ./scripts/run import EXPORT\n")
