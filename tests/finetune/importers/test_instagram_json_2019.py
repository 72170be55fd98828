"""Instagram's one `messages.json`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.errors import BrokenOff
from finetune.importers.instagram_json_2019 import InstagramJson2019
from finetune.message import ChatMessage, ReadOptions, Record, Skipped
from finetune.reading.source import Source
from tests.conftest import ROOT

IMPORTER = InstagramJson2019()
SAMPLE = ROOT / "tests/exports/instagram_json_2019/messages_2chats_8messages.json"
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r")
FUZZY = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
OPTIONS = ReadOptions(zone=UTC)


def said(second: int, text: str) -> dict[str, Any]:
    time = datetime(2019, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    return {"sender": "ana", "created_at": time.isoformat(), "text": text}


def chat(messages: list[Any], other: str = "bo") -> dict[str, Any]:
    return {"participants": [other, "ana"], "conversation": messages}


def write(data: Any) -> Source:
    path = Path("messages.json")
    path.write_text(json.dumps(data), encoding="utf-8")
    return Source.of(path)


def records(source: Source) -> list[Record]:
    assert IMPORTER.recognises(source)
    return list(IMPORTER.read(source, OPTIONS))


@given(st.lists(st.lists(st.text(CHARACTERS), max_size=5), min_size=1, max_size=4))
@FUZZY
def test_any_text_comes_back_in_its_chat(chats: list[list[str]]) -> None:
    # The mark lies beyond Latin-1, so that no text is one that Meta could have garbled.
    data = [
        chat([said(-second, text + "…") for second, text in enumerate(texts)], f"friend{number}")
        for number, texts in enumerate(chats)
    ]
    found = [r for r in records(write(data)) if isinstance(r, ChatMessage)]
    assert [(m.chat.name, m.text) for m in found] == [
        (f"ana, friend{number}", text + "…") for number, texts in enumerate(chats) for text in texts
    ]


def test_the_order_of_people_makes_no_other_chat() -> None:
    one, other = chat([said(1, "a")]), chat([said(2, "b")])
    other["participants"].reverse()
    found = [r for r in records(write([one, other])) if isinstance(r, ChatMessage)]
    assert len({m.chat for m in found}) == 1


def test_rubbish_is_counted_and_stops_nothing() -> None:
    rubbish = [None, 5, "x", [], {}, {**said(1, "a"), "text": 5}, {**said(1, "a"), "sender": []}]
    far = [{**said(1, "a"), "created_at": t} for t in ("0001-01-01", "9999-12-31", "x", 5)]
    found = records(write([chat([said(3, "a"), *rubbish, *far, said(2, "b")])]))
    assert sum(isinstance(record, Skipped) for record in found) == len(rubbish) + len(far)
    assert len(found) == len(rubbish) + len(far) + 2


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        chat([said(1, "a")]),
        [{"participants": [{"name": "ana"}], "messages": []}],
        [{"participants": ["ana"], "messages": []}],
        [{"ID": 1, "Timestamp": "x", "Contents": "", "Attachments": ""}],
    ],
)
def test_look_alikes_are_refused(data: Any) -> None:
    assert not IMPORTER.recognises(write(data))


def test_what_came_before_a_break_is_kept() -> None:
    write([chat([said(-n, str(n)) for n in range(100)])])
    path = Path("messages.json")
    path.write_bytes(path.read_bytes()[:4000])
    found = []
    with pytest.raises(BrokenOff) as broken:
        for record in IMPORTER.read(Source.of(path), OPTIONS):
            found.append(record)
    assert f"after record {len(found)}" == broken.value.where
