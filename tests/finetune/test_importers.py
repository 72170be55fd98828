"""Every importer against its samples, the same invariants for all, and arbitrary input."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.collect import collect
from finetune.corpus import Corpus
from finetune.errors import BadExport, BrokenOff
from finetune.importers import FORMATS, Importer, importer_for
from finetune.message import ChatMessage, ReadOptions, Remark, Skipped
from finetune.reading.source import Source
from tests.conftest import ROOT, SAMPLE_CHAT

OPTIONS = ReadOptions(zone=UTC)

EXPORTS = ROOT / "tests" / "exports"
EXPECTATIONS = sorted(EXPORTS.rglob("*.expected.json"))
ENDING = ".expected.json"


def sample_of(expectation: Path) -> Path:
    """The file, folder or zip that the expectation is about: `NAME` or `NAME.anything`."""
    name = expectation.name.removesuffix(ENDING)
    [sample] = [
        path
        for path in expectation.parent.iterdir()
        if path != expectation and (path.name == name or path.stem == name)
    ]
    return sample


def options_of(expected: dict[str, Any]) -> ReadOptions:
    given = expected.get("options", {})
    return ReadOptions(**{**given, "zone": ZoneInfo(given.get("zone", "UTC"))})


def read(
    path: Path, options: ReadOptions = OPTIONS
) -> tuple[list[ChatMessage], list[Skipped], list[str]]:
    """Messages oldest first, what was skipped, and remarks, of all files at the path."""
    collection = collect([path], options)
    assert not collection.problems, collection.problems
    records = [r for f in collection.found for r in f.importer.read(f.source, options)]
    messages = [record for record in records if isinstance(record, ChatMessage)]
    return (
        sorted(messages, key=lambda message: (message.chat.key, message.sent_at)),
        [record for record in records if isinstance(record, Skipped)],
        [record.text for record in records if isinstance(record, Remark)],
    )


def check_invariants(messages: list[ChatMessage]) -> None:
    for message in messages:
        assert message.sent_at.utcoffset() is not None
        assert message.edited_at is None or message.edited_at.utcoffset() is not None
        assert message.author.shown_name and message.author.name and message.author.key
        assert message.chat.key and message.chat.name
        assert message.chat.platform == message.author.platform
        assert message.text == message.text.strip("\r")
        assert message.attachments >= 0
    ids = [(m.chat.key, m.message_id) for m in messages if m.message_id is not None]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("expectation", EXPECTATIONS, ids=lambda path: path.name)
def test_a_sample_is_read_as_expected(expectation: Path) -> None:
    expected = json.loads(expectation.read_text(encoding="utf-8"))
    options = options_of(expected)
    messages, skipped, remarks = read(sample_of(expectation), options)
    check_invariants(messages)
    assert [
        [m.chat.name, m.author.shown_name, m.kind, m.sent_at.isoformat(), m.text] for m in messages
    ] == expected["messages"]
    assert [[s.where, s.reason] for s in skipped] == expected.get("skipped", [])
    assert remarks == expected.get("remarks", [])
    assert [
        [number, m.reply_to] for number, m in enumerate(messages) if m.reply_to is not None
    ] == expected.get("replies", [])
    assert [number for number, m in enumerate(messages) if m.forwarded] == expected.get(
        "forwarded", []
    )
    assert {
        str(number): m.attachments for number, m in enumerate(messages) if m.attachments
    } == expected.get("attachments", {})
    assert read(sample_of(expectation), options) == (messages, skipped, remarks)


@pytest.mark.parametrize("expectation", EXPECTATIONS, ids=lambda path: path.name)
def test_a_sample_is_imported_whole_and_a_second_time_not_at_all(
    expectation: Path, tmp_path: Path
) -> None:
    expected = json.loads(expectation.read_text(encoding="utf-8"))
    options = options_of(expected)
    found = collect([sample_of(expectation)], options).found
    with Corpus.open(tmp_path / "c.sqlite", create=True) as corpus:
        reports = [corpus.add(f.importer, f.source, options) for f in found]
        with corpus.database:
            corpus.forget_files()
        again = [corpus.add(f.importer, f.source, options) for f in found]
        stored = list(corpus.messages())
    assert sum(r.kept for r in reports) == len(stored) == len(expected["messages"])
    assert sum(r.kept for r in again) == 0
    for report in (*reports, *again):
        assert report.read == report.kept + report.duplicates + report.skipped.total()
    assert Counter(m.text for m in stored) == Counter(row[4] for row in expected["messages"])


DAMAGES = st.lists(
    st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 40)), min_size=1, max_size=4
)


@pytest.mark.parametrize("expectation", EXPECTATIONS, ids=lambda path: path.name)
@given(damages=DAMAGES, cut=st.none() | st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_damage_raises_nothing_but_the_projects_own_error(
    expectation: Path, damages: list[tuple[float, bytes, int]], cut: float | None
) -> None:
    expected = json.loads(expectation.read_text(encoding="utf-8"))
    options = options_of(expected)
    sample = sample_of(expectation)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / sample.name
        if sample.is_dir():
            shutil.copytree(sample, place)
        else:
            shutil.copy(sample, place)
        files = [p for p in place.rglob("*") if p.is_file()] or [place]
        for path in files:
            damage(path, damages, cut)
        for found in collect([place], options).found:
            try:
                for record in found.importer.read(found.source, options):
                    assert isinstance(record, ChatMessage | Skipped | Remark)
            except BadExport as error:
                assert len(str(error).splitlines()) == 1


def damage(path: Path, damages: list[tuple[float, bytes, int]], cut: float | None) -> None:
    data = bytearray(path.read_bytes())
    for share, new, length in damages:
        start = int(share * len(data))
        data[start : start + length] = new
    path.write_bytes(data if cut is None else data[: int(cut * len(data))])


@pytest.mark.parametrize(
    "broken",
    [
        b'{"id": "3", "type": "Default", "content": "a \x01 \xff " b", "author": {"id": "1"}}',
        b'{"id": "3", "timestamp": ',
        b'{"id": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 3_000,
        b"nonsense",
    ],
    ids=["quote", "cut", "number", "brackets", "braces", "word"],
)
def test_one_message_that_is_no_json_costs_only_itself(tmp_path: Path, broken: bytes) -> None:
    whole = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))["messages"][:40]
    rows = [json.dumps(message).encode() for message in whole]
    rows[20] = broken
    path = tmp_path / "export.json"
    path.write_bytes(export([]).encode().replace(b"[]", b"[" + b",\n".join(rows) + b"]"))
    messages, skipped, _ = read(path)
    assert [m.text for m in messages] == [m["content"] for m in [*whole[:20], *whole[21:]]]
    assert [[s.where, s.reason] for s in skipped] == [["message 21", "not of a message's form"]]


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def problem_with(path: Path) -> str:
    collection = collect([path], OPTIONS)
    assert not collection.found
    [problem] = collection.problems
    return problem.reason


def test_a_zip_that_points_out_of_itself_is_refused(tmp_path: Path) -> None:
    good = SAMPLE_CHAT.read_bytes()
    for name in ("../evil.json", "/etc/evil.json", "a/../../evil.json", "C:\\evil.json"):
        reason = problem_with(zipped(tmp_path / "x.zip", {"a.json": good, name: good}))
        assert "would be unpacked outside of its folder" in reason


def test_a_zip_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.json": b" " * 120_000_000})
    assert "would swell to 0.1 GB" in problem_with(path)


def test_a_locked_zip_says_what_to_do(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.json": SAMPLE_CHAT.read_bytes()})
    data = bytearray(path.read_bytes())
    # The flag of encryption, in the local header and in the directory.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "locked with a password; unpack it and import the folder" in problem_with(path)


def test_a_damaged_zip_is_one_sentence(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.json": SAMPLE_CHAT.read_bytes()})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    [found] = collect([path], OPTIONS).found
    with pytest.raises(BadExport, match="damaged"):
        list(found.importer.read(found.source, OPTIONS))


def test_text_that_is_not_utf_8_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat with Bo.txt"
    path.write_bytes("17.03.24, 10:30 - Bo: größer\n".encode("latin-1") * 9)
    assert "is not UTF-8 text; save it as UTF-8" in problem_with(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_file_that_an_editor_saved_in_another_way_is_read(tmp_path: Path, encoding: str) -> None:
    whole = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))["messages"][:9]
    path = tmp_path / "x.json"
    path.write_text(export(whole), encoding=encoding)
    assert [m.text for m in read(path)[0]] == [m["content"] for m in whole]


def test_what_people_attached_is_no_chat_of_theirs(tmp_path: Path) -> None:
    shutil.copy(SAMPLE_CHAT, tmp_path / "chat.json")
    (tmp_path / "chat.json_Files").mkdir()
    shutil.copy(SAMPLE_CHAT, tmp_path / "chat.json_Files" / "attached-0A1B2.json")
    assert [f.source.name for f in collect([tmp_path], OPTIONS).found] == ["chat.json"]


def test_the_better_of_two_formats_of_one_chat_is_read(tmp_path: Path) -> None:
    shutil.copy(SAMPLE_CHAT, tmp_path / "Sofa - general [1].json")
    (tmp_path / "Sofa - general [1].csv").write_text(
        'AuthorID,Author,Date,Content,Attachments,Reactions\n"1","a","2024-01-01T00:00:00+00:00",'
        '"hi","",""\n',
        encoding="utf-8",
    )
    shutil.copy(tmp_path / "Sofa - general [1].csv", tmp_path / "Sofa - other [2].csv")
    collection = collect([tmp_path], OPTIONS)
    assert sorted(f.source.name for f in collection.found) == [
        "Sofa - general [1].json", "Sofa - other [2].csv",
    ]  # fmt: skip
    [(found, better)] = collection.set_aside
    assert (found.source.name, better) == ("Sofa - general [1].csv", "DiscordChatExporter JSON")


def export(messages: list[dict[str, Any]]) -> str:
    return json.dumps(
        {
            "guild": {"id": "1", "name": "G"},
            "channel": {"id": "2", "name": "c"},
            "messages": messages,
            "messageCount": 0,
        }
    )


USERS = st.fixed_dictionaries(
    {"id": st.integers(1, 9).map(str), "name": st.text(min_size=1)},
    optional={"nickname": st.none() | st.text(), "isBot": st.booleans()},
)
MESSAGES = st.fixed_dictionaries(
    {
        "id": st.integers(1, 2**63).map(str),
        "type": st.sampled_from(["Default", "Reply", "GuildMemberJoin", "8", "20", "46"]),
        "timestamp": st.integers(0, 10**9).map(
            lambda s: (datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=s)).isoformat()
        ),
        "content": st.text(),
        "author": USERS,
    },
    optional={"attachments": st.lists(st.just({}), max_size=2), "reference": st.none()},
)
RUBBISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.lists(MESSAGES | RUBBISH, max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_record_of_an_export_is_a_message_or_counted(
    tmp_path: Path, messages: list[Any]
) -> None:
    path = tmp_path / "export.json"
    path.write_text(export(messages), encoding="utf-8")
    records = list(importer_for(Source.of(path)).read(Source.of(path), OPTIONS))
    found = [record for record in records if isinstance(record, ChatMessage)]
    skipped = [record for record in records if isinstance(record, Skipped)]
    assert len(found) + len(skipped) == len(messages)
    wellformed = [m for m in messages if isinstance(m, dict) and "timestamp" in m]
    assert [m.text for m in found] == [m["content"] for m in wellformed]


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_arbitrary_bytes_are_refused_with_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(data)
    with pytest.raises(BadExport, match=r"is no chat export|is empty"):
        importer_for(Source.of(path))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_cut_off_export_gives_what_it_holds_and_says_where_it_ends(
    tmp_path: Path, share: float
) -> None:
    data = SAMPLE_CHAT.read_bytes()
    path = tmp_path / "cut.json"
    path.write_bytes(data[: int(len(data) * share)])
    source = Source.of(path)
    messages = []
    with pytest.raises(BrokenOff, match=r"cut\.json is broken or cut off after record \d{3,}"):
        for record in importer_for(source).read(source, OPTIONS):
            messages.append(record)
    assert 3541 * share * 0.9 < len(messages) < 3541


def single_files_of(importer: Importer) -> list[Path]:
    """The samples of a format that are recognised by themselves."""
    folder = EXPORTS / type(importer).__module__.rpartition(".")[2]
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        path
        for path in paths
        if not path.name.endswith((ENDING, ".zip")) and importer.recognises(Source.of(path))
    ]


SINGLE_FILES = {importer.name: single_files_of(importer) for importer in FORMATS}
RUINS = st.binary(max_size=8) | st.sampled_from(
    [b"null", b"[]", b"1e999", *(bytes([sign]) for sign in b"\"',;:[]{}<>=\n\r\0\xff09Z")]
)


@pytest.mark.parametrize("importer", FORMATS, ids=lambda importer: importer.name)
@given(data=st.data())
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_damage_raises_nothing_but_a_bad_export(
    tmp_path: Path, importer: Importer, data: st.DataObject
) -> None:
    sample = data.draw(st.sampled_from(SINGLE_FILES[importer.name]))
    content = bytearray(sample.read_bytes())
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 40))] = data.draw(RUINS)
    path = tmp_path / sample.name
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    source = Source.of(path)
    importer.recognises(source)
    with suppress(BadExport):
        for record in importer.read(source, OPTIONS):
            assert not isinstance(record, ChatMessage) or record.author.name
