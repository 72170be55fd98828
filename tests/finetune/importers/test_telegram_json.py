"""Telegram Desktop's JSON: what is particular about it, and arbitrary texts and bytes."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.collect import collect
from finetune.errors import BrokenOff
from finetune.importers.telegram_json import TelegramJson
from finetune.message import ChatMessage, ReadOptions, Record, Remark, Skipped
from finetune.reading.json_repair import LONGEST_LINE, MendedJson
from finetune.reading.source import Source
from tests.conftest import ROOT

EXPORTS = ROOT / "tests" / "exports"
SAMPLES = sorted(
    path
    for path in (EXPORTS / "telegram_json").glob("*.json")
    if not path.name.endswith(".expected.json")
)
IMPORTER = TelegramJson()
IN_UTC = ReadOptions(zone=UTC)
FEW = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def read(path: Path, options: ReadOptions = IN_UTC) -> list[Record]:
    return list(IMPORTER.read(Source.of(path), options))


def read_chat(tmp_path: Path, messages: list[Any], **head: Any) -> list[Any]:
    path = tmp_path / "result.json"
    root = {"name": "Chat", "type": "private_group", "id": 7, **head, "messages": messages}
    path.write_text(json.dumps(root), encoding="utf-8")
    assert IMPORTER.recognises(Source.of(path))
    return read(path)


def message(**values: Any) -> dict[str, Any]:
    plain = {"id": 1, "type": "message", "date_unixtime": "1000000000", "from": "Ada"}
    return {**plain, "from_id": "user1", "text": "hi", **values}


def test_a_bare_number_is_the_same_person_as_later(tmp_path: Path) -> None:
    old, new = read_chat(tmp_path, [message(from_id=12), message(from_id="user12")])
    assert old.author == new.author


def test_a_deleted_account_keeps_its_id(tmp_path: Path) -> None:
    [record] = read_chat(tmp_path, [message(**{"from": None, "from_id": "user5"})])
    assert (record.author.key, record.author.name) == ("user5", "Deleted Account")


def test_a_channels_post_is_a_persons_only_if_signed(tmp_path: Path) -> None:
    plain, signed = read_chat(
        tmp_path, [message(from_id="channel7"), message(from_id="channel7", author="Bo")]
    )
    assert (plain.kind, signed.kind) == ("bot", "person")
    assert signed.author.name == "Bo"


def test_an_old_channels_bare_number_is_no_person(tmp_path: Path) -> None:
    [record] = read_chat(tmp_path, [message(from_id=7)], type="public_channel")
    assert (record.kind, record.author.key) == ("bot", "channel7")


def test_the_other_side_of_a_bots_chat_is_a_bot(tmp_path: Path) -> None:
    sent, answered = read_chat(
        tmp_path,
        [message(), message(**{"from": "Dice", "from_id": "user9"})],
        type="bot_chat",
        name="Dice",
        id=9,
    )
    assert (sent.kind, answered.kind) == ("person", "bot")


def test_exact_time_wins_over_local_time(tmp_path: Path) -> None:
    [record] = read_chat(tmp_path, [message(date="2020-02-02T02:02:02")])
    assert record.sent_at == datetime.fromtimestamp(1_000_000_000, UTC)


def test_a_local_time_is_a_guess_unless_the_user_names_the_zone(tmp_path: Path) -> None:
    local = message(date="2020-02-02T02:02:02")
    del local["date_unixtime"]
    [record] = read_chat(tmp_path, [local])
    assert record.sent_at == datetime(2020, 2, 2, 2, 2, 2, tzinfo=UTC)
    remark, _ = read(tmp_path / "result.json", ReadOptions())
    assert isinstance(remark, Remark)


def test_never_edited_is_not_edited_in_1970(tmp_path: Path) -> None:
    never, edited = read_chat(
        tmp_path, [message(edited="1970-01-01T02:00:00"), message(edited="2020-01-01T00:00:00")]
    )
    assert never.edited_at is None
    assert edited.edited_at == datetime(2020, 1, 1, tzinfo=UTC)


def test_a_reply_to_another_chat_answers_nothing_here(tmp_path: Path) -> None:
    here, elsewhere = read_chat(
        tmp_path,
        [
            message(reply_to_message_id=4),
            message(reply_to_message_id=4, reply_to_peer_id="channel8"),
        ],
    )
    assert (here.reply_to, elsewhere.reply_to) == ("4", None)


@pytest.mark.parametrize(
    "odd",
    [
        {"date_unixtime": "9" * 30},
        {"date_unixtime": "", "date": "0001-01-01T00:00:00+14:00"},
        {"text": {"type": "plain"}},
        {"text": [["x"]]},
        {"id": None},
        {"id": 1.5},
        {"type": "something"},
        {"type": ["message"]},
        {"reply_to_message_id": {}},
    ],
)
def test_one_bad_record_is_counted_and_stops_nothing(tmp_path: Path, odd: dict[str, Any]) -> None:
    bad, good = read_chat(tmp_path, [message(**odd), message()])
    assert isinstance(bad, Skipped) and bad.where == "message 1"
    assert isinstance(good, ChatMessage)


def test_pages_beside_it_are_set_aside(tmp_path: Path) -> None:
    pages = EXPORTS / "telegram_html" / "account_2019_local_times"
    page = tmp_path / "chats" / "chat_001" / "messages.html"
    page.parent.mkdir(parents=True)
    page.write_bytes((pages / "chats" / "chat_001" / "messages.html").read_bytes())
    account = EXPORTS / "telegram_json" / "account_2024_5chats.json"
    (tmp_path / "result.json").write_bytes(account.read_bytes())
    collection = collect([tmp_path], IN_UTC)
    assert [found.source.name for found in collection.found] == ["result.json"]
    assert [found.source.name for found, _ in collection.set_aside] == ["messages.html"]


@pytest.mark.parametrize(
    "look_alike",
    [
        {"about": "x", "contacts": {"about": "y", "list": []}},
        {"about": "x", "personal_information": {"user_id": 1}, "stories": []},
        {"participants": [{"name": "Ada"}], "messages": [{"sender_name": "Ada"}]},
        {"name": "x", "type": "chat", "messages": [{"role": "user", "content": "hi"}]},
        {"guild": {"id": "1"}, "channel": {"id": "2"}, "messages": []},
        {"chats": {"list": [{"name": "x"}]}},
        [{"id": 1, "type": "message"}],
    ],
)
def test_a_look_alike_is_refused(tmp_path: Path, look_alike: Any) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(look_alike), encoding="utf-8")
    assert not IMPORTER.recognises(Source.of(path))


def test_an_account_is_known_although_contacts_fill_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    contacts = [{"first_name": "Bo", "date": "2020-01-01T00:00:00"}] * 2000
    chat = {"name": "Bo", "type": "personal_chat", "id": 2, "messages": [message()]}
    root = {"about": "x", "contacts": {"list": contacts}, "chats": {"list": [chat]}}
    path.write_text(json.dumps(root), encoding="utf-8")
    assert IMPORTER.recognises(Source.of(path))
    assert len(read(path)) == 1
    del root["chats"]
    path.write_text(json.dumps(root), encoding="utf-8")
    [remark] = read(path)
    assert isinstance(remark, Remark)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_breaks_off_gives_what_came_before(
    tmp_path: Path, sample: Path, share: float
) -> None:
    whole = read(sample)
    data = sample.read_bytes()
    path = tmp_path / "result.json"
    path.write_bytes(data[: int(len(data) * share)])
    records = []
    with pytest.raises(BrokenOff, match="broken or cut off after record"):
        for record in IMPORTER.read(Source.of(path), IN_UTC):
            records.append(record)  # the list must survive the error
    assert records == whole[: len(records)]
    assert 0 < len(records) < len(whole)


def telegrams_string(text: str) -> str:
    """A string as Telegram Desktop writes it, with its wrong escapes."""
    known = {"\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "\\": r"\\"}
    known |= {"\u2028": r"\u2028", "\u2029": r"\u2029"}
    return '"' + "".join(known.get(c, f"\\x{ord(c):02X}" if c < " " else c) for c in text) + '"'


UNICODE = st.text(st.characters(exclude_categories=["Cs"]))
TRAPS = st.sampled_from(["\\x41", "\\", '"', '"document_id": x\n', "\n", "\x07", "\\\\x1F", "é"])
TEXTS = UNICODE | st.lists(TRAPS | UNICODE).map("".join)
PARTS = st.lists(st.tuples(st.booleans(), TEXTS), max_size=4)


def telegrams_part(is_emoji: bool, text: str) -> str:
    if not is_emoji:
        return telegrams_string(text)
    fields = ['"type": "custom_emoji"', f'"text": {telegrams_string(text)}']
    return "{\n" + ",\n".join([*fields, '"document_id": files/a (2).webm']) + "\n}"


@given(st.lists(PARTS, min_size=1, max_size=5))
@FEW
def test_any_text_comes_back_as_it_was_written(
    tmp_path: Path, texts: list[list[tuple[bool, str]]]
) -> None:
    written = []
    for parts in texts:
        plain = json.dumps(message(text=""))
        text = ",\n".join(telegrams_part(is_emoji, text) for is_emoji, text in parts)
        written.append(plain.replace('"text": ""', f'"text": [{text}]'))
    path = tmp_path / "result.json"
    head = '{"name": "x", "type": "private_group", "id": 1, "messages": ['
    path.write_text(head + ",\n".join(written) + "]}", encoding="utf-8", newline="")
    expected = ["".join(t for _, t in parts) for parts in texts]
    expected = [text.replace("\r\n", "\n").replace("\r", "\n") for text in expected]
    assert [r.text for r in read(path) if isinstance(r, ChatMessage)] == expected


JSON = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.just("document_id"), inner)
    ),
)


@given(JSON, st.sampled_from([None, 1]), st.booleans(), st.integers(1, 9))
@FEW
def test_valid_json_passes_the_mending_unchanged(
    value: Any, indent: int | None, ascii_only: bool, size: int
) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    stream = MendedJson(io.BytesIO(data))
    assert b"".join(iter(lambda: stream.read(size), b"")) == data


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 65536])
def test_an_escape_is_mended_wherever_it_is_torn(size: int) -> None:
    line = rb'["\\x41\\\x1F\x07' + b"-" * LONGEST_LINE + rb'\x0B\\\\x0B\\\x0B"]'
    stream = MendedJson(io.BytesIO(line))
    mended = json.loads(b"".join(iter(lambda: stream.read(size), b"")))
    assert mended == ["\\x41\\\x1f\x07" + "-" * LONGEST_LINE + "\x0b\\\\x0B\\\x0b"]
