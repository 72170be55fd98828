"""The transcript: what is kept, found again, brought up to date, and survives a full disk."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import OrchestratorError, TranscriptFull
from orchestrator.transcript import Transcript
from orchestrator.transcript.traces import forget_speakers

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SCHEMA_1 = Path(__file__).parent / "files" / "transcript_of_schema_1.sqlite"
"""Written by a show of BotConvo 0.1 with the demo friends, a person and one /oops."""


def later(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "transcript.sqlite"


@pytest.fixture
def show(path: Path) -> Iterator[Transcript]:
    with Transcript.open(path, fresh=True, seed=7, now=NOW, settings={"chaos": 0.3}) as opened:
        yield opened


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


# --- conversations and runs -----------------------------------------------------------------


def test_every_start_is_a_run_with_its_own_seed_and_settings(path: Path) -> None:
    with Transcript.open(path, fresh=False, seed=1, now=NOW, settings={"a": 1}) as first:
        one = first.add("Ana", "friend", "hi", {}, NOW)
    with Transcript.open(path, fresh=False, seed=2, now=later(1), settings={"a": 2}) as second:
        two = second.add("Ana", "friend", "again", {}, later(1))
        assert second.conversation == first.conversation
        assert [(r.seed, r.settings, r.started_at) for r in second.runs()] == [
            (1, {"a": 1}, NOW), (2, {"a": 2}, later(1)),
        ]  # fmt: skip
        assert all(run.version for run in second.runs())
        runs = [found.run for id_ in (one, two) if (found := second.line(id_))]
        assert runs == [run.id for run in second.runs()]
    with Transcript.open(path, fresh=True, seed=3, now=later(2)) as third:
        assert third.conversation != second.conversation
        assert third.last(9) == []
        assert (len(third.runs()), len(third.runs("all"))) == (1, 3)
        assert len(list(third.lines(conversation="all"))) == 2


def test_rows_in_order_are_the_log_of_all_that_happened(show: Transcript) -> None:
    asked = show.add("Sam", "person", "Bo?", {"stage": "web", "addressed": ["Bo"]}, NOW)
    show.add("Bo", "silence", "", {"reason": "busy"}, later(1), asked)
    command = {"name": "topic", "argument": "pizza", "answer": "Next: pizza.", "stage": "web"}
    show.add("Sam", "command", "/topic pizza", command, later(2))
    show.add("", "notice", "Nobody speaks.", {"reason": "night"}, later(3))
    show.add("Bo", "friend", "pizza!", {"turn": {"seed": 5}}, later(4))
    lines = list(show.lines())
    assert [line.kind for line in lines] == ["person", "silence", "command", "notice", "friend"]
    assert [line.said_at for line in lines] == [later(n) for n in range(5)]
    assert lines[1].reply_to == asked
    assert lines[2].why == command
    assert [line.text for line in show.last(9)] == ["Bo?", "pizza!"]


def test_an_id_is_never_given_twice(path: Path, show: Transcript) -> None:
    gone = show.add("Ana", "friend", "hi", {}, NOW)
    forget_speakers(path, ["Ana"])
    assert show.add("Bo", "friend", "hi", {}, NOW) > gone


# --- what is found again ----------------------------------------------------------------------


def test_lines_are_found_by_time_whatever_the_time_zone(show: Transcript) -> None:
    zones = [UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-5))]
    for minute in range(6):
        show.add("Ana", "friend", str(minute), {}, later(minute).astimezone(zones[minute % 3]))
    found = show.lines(since=later(1).astimezone(zones[2]), until=later(4))
    assert [line.text for line in found] == ["1", "2", "3"]


def test_the_last_lines_before_another_come_in_order(show: Transcript) -> None:
    ids = [show.add("Ana", "friend", f"n{n}", {}, NOW) for n in range(8)]
    assert [line.text for line in show.lines(before_id=ids[6], limit=3)] == ["n3", "n4", "n5"]
    assert [line.text for line in show.lines(after_id=ids[5])] == ["n6", "n7"]
    assert [line.text for line in show.lines(limit=0)] == []
    assert [line.text for line in show.lines(limit=99)] == [f"n{n}" for n in range(8)]


def test_more_lines_than_fit_on_a_page_all_come_out_once(
    show: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.transcript.search.PAGE_LINES", 7)
    ids = [show.add("Ana", "friend", "x", {}, NOW) for _ in range(30)]
    read = []
    for line in show.lines():
        read.append(line.id)
        show.add("Bo", "friend", "said while somebody reads", {}, NOW)
    assert read == ids


SEARCHES = [
    ("pizza", ["Pizza with ham", "no PIZZA today"]),
    ("ham pizza", ["Pizza with ham"]),
    ("izz", ["Pizza with ham", "no PIZZA today"]),
    ("ÉCOLE", ["une école d'été"]),
    ("ピザ", ["今日はピザを食べた"]),
    ("食", ["今日はピザを食べた"]),
    ("\"quoted\" OR -x*", ['a "quoted" OR -x* thing']),
    ("100%", ["100% sure"]),
    ("nothing", []),
    ("a\0b", []),
]  # fmt: skip


@pytest.mark.parametrize("has_index", [True, False])
@pytest.mark.parametrize(("search", "found"), SEARCHES)
def test_words_are_found_with_and_without_an_index(
    show: Transcript, search: str, found: list[str], has_index: bool
) -> None:
    for text in (
        "Pizza with ham", "no PIZZA today", "une école d'été", "今日はピザを食べた",
        'a "quoted" OR -x* thing', "100% sure", "1000 times",
    ):  # fmt: skip
        show.add("Ana", "friend", text, {}, NOW)
    assert show._has_index, "SQLite has FTS5 here"
    show._has_index = has_index
    assert [line.text for line in show.lines(search=search)] == found


@given(text=st.text(max_size=60), start=st.integers(0, 59), length=st.integers(1, 20))
def test_any_part_of_any_text_is_found(text: str, start: int, length: int) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        from orchestrator.transcript import file as transcript_file

        transcript_file._run_script(database, transcript_file.TABLES)
        show = Transcript(database, Path(":memory:"), 1, 1)
        id_ = show.add("Ana", "friend", text, {}, NOW)
        part = text[start : start + length].replace("\0", " ")
        assert [line.id for line in show.lines(search=part)] == [id_]


def test_lines_written_where_there_was_no_index_are_found_later(path: Path) -> None:
    with Transcript.open(path, fresh=True, seed=1, now=NOW) as show:
        show._has_index = False
        show.add("Ana", "friend", "hidden walrus", {}, NOW)
    with Transcript.open(path, fresh=False, seed=1, now=NOW) as show:
        assert [line.text for line in show.lines(search="walrus")] == ["hidden walrus"]


def test_a_person_is_unanswered_until_a_friend_speaks_or_lets_it_be(show: Transcript) -> None:
    old, answered, left, taken_back, open_ = (
        show.add("Sam", "person", f"question {n}", {}, later(n)) for n in range(5)
    )
    show.add("Bo", "friend", "yes", {}, later(5), answered)
    show.add("Bo", "silence", "", {}, later(6), left)
    show.add("Sam", "person", "me too", {}, later(7), open_)
    show.unsay(taken_back)
    texts = [line.text for line in show.unanswered(later(1))]
    assert texts == ["question 4", "me too"]
    assert old in [line.id for line in show.unanswered(NOW)]


def test_what_was_taken_back_stays_known(show: Transcript) -> None:
    ids = [show.add("Ana", "friend", f"n{n}", {}, NOW) for n in range(4)]
    for id_ in ids[:3]:
        show.unsay(id_)
    assert show.unsaid_texts(2) == ["n1", "n2"]
    assert [line.text for line in show.last(9)] == ["n3"]


def test_reactions_come_and_go_and_count_once(show: Transcript) -> None:
    line = show.add("Ana", "friend", "hi", {}, NOW)
    show.posted(line, "web", "m1")
    assert show.add_reaction("web", "m1", "Sam", "👍", NOW) == line
    assert show.add_reaction("web", "m1", "Sam", "👍", later(1)) == line
    assert show.add_reaction("web", "m1", "Kim", "👍", NOW) == line
    assert show.add_reaction("web", "elsewhere", "Sam", "👍", NOW) is None
    assert [(r.author, r.emoji) for r in show.reactions(line)] == [("Sam", "👍"), ("Kim", "👍")]
    assert show.remove_reaction("web", "m1", "Sam", "👍")
    assert not show.remove_reaction("web", "m1", "Sam", "👍")
    assert [r.author for r in show.reactions(line)] == ["Kim"]


def test_a_changed_line_is_found_by_its_new_words_and_keeps_the_old_ones(show: Transcript) -> None:
    line = show.add("Ana", "friend", "old walrus", {"turn": {"seed": 1}}, NOW)
    show.replace_text(line, "new tuba", {"turn": {"seed": 2}}, later(1))
    show.replace_text(line, "newer tuba", None, later(2))
    assert [found.text for found in show.lines(search="tuba")] == ["newer tuba"]
    assert list(show.lines(search="walrus")) == []
    assert [(e.old_text, e.new_text, e.at) for e in show.edits(line)] == [
        ("old walrus", "new tuba", later(1)), ("new tuba", "newer tuba", later(2)),
    ]  # fmt: skip
    (found,) = show.last(1)
    assert found.why == {"turn": {"seed": 2}}


def test_halves_of_characters_do_not_stop_the_show(show: Transcript) -> None:
    line = show.add("A\ud83d", "friend", "hi \udc00", {"turn": {"phrase": "\ud800"}}, NOW)
    found = show.line(line)
    assert found is not None
    assert (found.speaker, found.text) == ("A?", "hi ?")


# --- the file -----------------------------------------------------------------------------------


def test_a_transcript_of_schema_1_is_brought_up_to_date_beside_a_copy(path: Path) -> None:
    path.parent.mkdir()
    shutil.copy(SCHEMA_1, path)
    columns = "id, said_at, speaker, kind, text, reply_to, why, unsaid"
    before = rows(SCHEMA_1, f"SELECT {columns} FROM lines")
    posts = rows(SCHEMA_1, "SELECT * FROM posts")
    with Transcript.open(path, fresh=False, seed=2, now=NOW) as show:
        assert rows(path, f"SELECT {columns} FROM lines") == before
        assert rows(path, "SELECT * FROM posts") == posts
        assert [run.seed for run in show.runs()] == [7, 2]
        assert show.last(1)[0].text == "Do you have a coupon for the holiday?"
        assert show.unsaid_texts(5) == ["What do you intend to call it?"]
        assert [line.speaker for line in show.lines(search="sofa")] == ["Dex", "Marlow"]
        assert show.add("Dex", "friend", "on we go", {}, NOW) == len(before) + 1
    copy = path.with_name("transcript.sqlite.v1")
    assert rows(copy, f"SELECT {columns} FROM lines") == before
    assert rows(copy, "PRAGMA user_version") == [(1,)]
    with Transcript.open(path, fresh=False, seed=3, now=NOW):
        assert sorted(p.name for p in path.parent.glob("*.v*")) == [copy.name]


def test_without_room_for_the_copy_nothing_is_changed(path: Path) -> None:
    path.parent.mkdir()
    shutil.copy(SCHEMA_1, path)
    blocker = path.with_name("transcript.sqlite.v1.part")
    blocker.mkdir()
    with (
        pytest.raises(OrchestratorError, match=r"a copy to be kept .* cannot be written"),
        Transcript.open(path, fresh=False, seed=1, now=NOW),
    ):
        pass
    assert rows(path, "PRAGMA user_version") == [(1,)]


FOREIGN = {
    "a newer one": ("PRAGMA user_version = 3; PRAGMA application_id = 1111708786;", "newer BotCon"),
    "a corpus": ("CREATE TABLE messages (id); PRAGMA user_version = 2;", "another program's"),
    "a namesake": ("CREATE TABLE lines (id); PRAGMA user_version = 1;", "another program's"),
    "no number": ("CREATE TABLE lines (id);", "another program's"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_databases_are_refused_and_left_as_they_are(path: Path, kind: str) -> None:
    script, message = FOREIGN[kind]
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.executescript("CREATE TABLE x (id);" + script)
    before = path.read_bytes()
    with pytest.raises(OrchestratorError, match=message), Transcript.read(path):
        pass
    assert path.read_bytes() == before


def test_what_is_no_database_is_refused_in_one_sentence(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("dear diary, " * 200)
    with pytest.raises(OrchestratorError, match="is no transcript; move it away"):
        forget_speakers(path, ["Ana"])
    path.unlink()
    path.mkdir()
    with (
        pytest.raises(OrchestratorError, match=r"cannot be opened"),
        Transcript.open(path, fresh=True, seed=1, now=NOW),
    ):
        pass


def test_a_transcript_that_is_not_there_is_not_made_by_reading(path: Path) -> None:
    with (
        pytest.raises(OrchestratorError, match="start a show with: botconvo run"),
        Transcript.read(path),
    ):
        pass
    assert not path.parent.exists()


def test_a_reader_begins_no_run_and_sees_what_is_written_meanwhile(
    path: Path, show: Transcript
) -> None:
    with Transcript.read(path) as reader:
        show.add("Ana", "friend", "hi", {}, NOW)
        assert [line.text for line in reader.last(1)] == ["hi"]
        assert len(reader.runs("all")) == 1


FULL_DISK = """
import resource, sys
from datetime import datetime, UTC
from pathlib import Path
from orchestrator.errors import TranscriptFull
from orchestrator.transcript import Transcript

now = datetime.now(UTC)
with Transcript.open(Path(sys.argv[1]), fresh=True, seed=1, now=now) as show:
    show.add("Ana", "friend", "the first", {}, now)
    show.posted(1, "web", "m1")
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    said = 1
    try:
        while said < 10_000:
            show.add("Ana", "friend", "walrus " * 300, {}, now)
            said += 1
    except TranscriptFull as error:
        print(error)
    for action in (
        lambda: show.add("Ana", "friend", "tuba " * 300, {}, now),
        lambda: show.replace_text(1, "sofa " * 300),
        lambda: show.add_reaction("web", "m1", "Sam", "x" * 3000, now),
    ):
        try:
            action()
        except TranscriptFull:
            print("full")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    show.add("Ana", "friend", "room again", {}, now)
    print(said, [line.text for line in show.last(2)][1], len(list(show.lines(search="walrus"))))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_a_full_disk_is_said_leaves_nothing_half_done_and_passes(path: Path) -> None:
    """The system itself refuses to let the file grow, as a full disk does."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    first, *full, last = done.stdout.splitlines()
    assert "cannot be written" in first
    assert "make room" in first
    assert full == ["full"] * 3
    said = int(last.split()[0])
    assert last == f"{said} room again {said - 1}"
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "SELECT COUNT(*) FROM lines") == [(said + 1,)]
    assert rows(path, "SELECT COUNT(*) FROM edits") == [(0,)]


def test_a_database_that_may_not_grow_is_full(path: Path, show: Transcript) -> None:
    pages = show._database.execute("PRAGMA page_count").fetchone()[0]
    show._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(TranscriptFull, match=r"written: the disk is full; make room\.$"):
        show.add("Ana", "friend", "x" * 100_000, {}, NOW)
    assert list(show.lines()) == []
    show._database.execute("PRAGMA max_page_count = 100000")
    assert show.add("Ana", "friend", "x" * 100_000, {}, NOW)


def test_who_keeps_the_file_to_himself_is_no_full_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.transcript.file.PATIENCE_SECONDS", 0)
    with (
        Transcript.open(path, fresh=True, seed=1, now=NOW) as show,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OrchestratorError, match="end what else is using it") as caught:
            show.add("Ana", "friend", "hi", {}, NOW)
        assert not isinstance(caught.value, TranscriptFull)
        other.execute("ROLLBACK")
        assert show.add("Ana", "friend", "hi", {}, NOW)


# --- forgetting -----------------------------------------------------------------------------------


def test_nothing_of_a_forgotten_person_is_left_anywhere(path: Path) -> None:
    path.parent.mkdir()
    shutil.copy(SCHEMA_1, path)
    friends = [{"name": "Zelda", "aliases": []}, {"name": "Bo", "aliases": ["zelda"]}]
    friends.append({"name": "Cy", "aliases": []})
    settings = {"friends": friends, "talkativeness": {"Zelda": 1, "Cy": 2}}
    with Transcript.open(path, fresh=False, seed=1, now=NOW, settings=settings) as show:
        hers = show.add("zelda", "person", "my xylophone secret", {"stage": "web"}, NOW)
        show.posted(hers, "web", "m1")
        show.add_reaction("web", "m1", "Cy", "🎹", NOW)
        show.replace_text(hers, "my second secret", {}, NOW)
        turn = {
            "answers": hers, "phrase_from": hers, "phrase": "xylophone", "lines": [hers, 2],
            "phrases": [{"phrase": "xylophone secret", "weight": 1}],
            "chosen_because": "Zelda addressed Cy",
            "weights": {"Zelda": {"share": 0.5}, "Cy": {"share": 0.5}},
        }  # fmt: skip
        his = show.add("Cy", "friend", "fine", {"turn": turn, "attempts": "odd"}, NOW, hers)
        other = {"phrase": "x", "phrases": [{"phrase": "my xylophone"}, {"phrase": "tea"}]}
        show.add("Cy", "friend", "tea then", {"turn": other}, NOW)
        show.posted(his, "web", "m2")
        show.add_reaction("web", "m2", "ZELDA", "💥", NOW)
        show.add("Sam", "person", "Cy?", {"addressed": ["Zelda", "Cy"]}, NOW)
        answer = {"name": "why", "answer": 'It said "my second secret".'}
        show.add("Sam", "command", "/why", answer, NOW)
        show.add("", "notice", "Zelda has not spoken for a while", {}, NOW)
        assert forget_speakers(path, ["Zelda"]) == 1
        kept = b"".join(file.read_bytes() for file in path.parent.glob("transcript.sqlite*"))
        for trace in ("zelda", "secret", "xylophone", "💥", "🎹"):
            assert trace.encode() not in kept.lower(), trace
        assert not list(show.lines(search="secret"))
        assert [line.text for line in show.lines(search="sofa")], "the index of words still works"
        found = show.line(his)
        assert found is not None
        assert (found.reply_to, found.why["turn"]["chosen_because"]) == (
            None, "somebody addressed Cy",
        )  # fmt: skip
        runs = show.runs()
        assert runs[-1].settings == {
            "friends": [{"name": "Cy", "aliases": []}], "talkativeness": {"Cy": 2},
        }  # fmt: skip
        texts = [line.text for line in show.lines(after_id=hers)]
        assert texts == ["fine", "tea then", "Cy?", "/why"]
        assert json.loads(str(rows(path, "SELECT why FROM lines WHERE text = 'tea then'")[0][0]))[
            "turn"
        ]["phrases"] == [{"phrase": "tea"}]


def test_who_said_nothing_takes_no_copy_away(path: Path) -> None:
    path.parent.mkdir()
    shutil.copy(SCHEMA_1, path)
    assert forget_speakers(path, ["Nobody"]) == 0
    assert path.with_name("transcript.sqlite.v1").is_file()


def test_a_line_is_stored_with_its_message_or_not_at_all(tmp_path: Path) -> None:
    with Transcript.open(tmp_path / "t.sqlite", fresh=True, seed=1, now=NOW) as show:
        line_id = show.add("Sam", "person", "hi", {}, NOW, post=("here", "p1"))
        assert show.line_of("here", "p1") == line_id
        show.posted(line_id, "here", "p2")
        assert show.messages_of("here", line_id) == ["p1", "p2"]
        assert show.message_of("here", line_id) == "p2"
        with pytest.raises(sqlite3.IntegrityError):
            show.add("Sam", "person", "lost?", {}, NOW, post=("here", None))  # type: ignore[arg-type]  # what no file takes
        assert show.last_id() == line_id
