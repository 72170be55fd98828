"""Every importer against its samples, the same invariants for all, and arbitrary input."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.cleaning import CleaningReport, clean
from finetune.corpus import Corpus
from finetune.errors import BadExport
from finetune.importers import FORMATS, Importer, importer_for
from finetune.message import ChatMessage, Skipped
from tests.conftest import ROOT, SAMPLE_CHAT

EXPORTS = ROOT / "tests" / "exports"
SAMPLES = sorted(
    path for path in EXPORTS.rglob("*") if path.is_file() and ".expected." not in path.name
)


def read(path: Path) -> tuple[list[ChatMessage], list[Skipped]]:
    records = list(importer_for(path).read(path))
    messages = [record for record in records if isinstance(record, ChatMessage)]
    return messages, [record for record in records if isinstance(record, Skipped)]


def check_invariants(messages: list[ChatMessage]) -> None:
    assert all(message.sent_at.utcoffset() is not None for message in messages)
    assert all(message.author.shown_name and message.author.key for message in messages)
    assert [m.sent_at for m in messages] == sorted(m.sent_at for m in messages)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_read_as_expected(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    messages, skipped = read(path)
    check_invariants(messages)
    assert [
        [m.author.shown_name, m.kind, m.sent_at.isoformat(), m.text, m.reply_to] for m in messages
    ] == expected["messages"]
    assert [s.where for s in skipped] == expected["skipped"]
    assert read(path) == (messages, skipped)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_cleaned_as_expected(path: Path, tmp_path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    with Corpus.open(tmp_path / "c.sqlite", create=True) as corpus:
        corpus.add(importer_for(path), path)
        report = CleaningReport()
        lines = list(clean(corpus.messages(), corpus.names_by_account_key(), report))
    assert [[line.person, line.text] for line in lines] == expected["cleaned"]
    assert dict(report.dropped) == expected["dropped"]
    assert report.read == report.kept + sum(report.dropped.values())


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
    found, skipped = read(path)
    assert len(found) + len(skipped) == len(messages)
    wellformed = [m for m in messages if isinstance(m, dict) and "timestamp" in m]
    assert [m.text for m in found] == [m["content"] for m in wellformed]


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_arbitrary_bytes_are_refused_with_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(data)
    with pytest.raises(BadExport, match=r"is no chat export that BotConvo knows"):
        importer_for(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_cut_off_export_says_where_it_ends(tmp_path: Path, share: float) -> None:
    data = SAMPLE_CHAT.read_bytes()
    path = tmp_path / "cut.json"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadExport, match=r"cut\.json is broken or cut off after message \d{3,}"):
        read(path)


def test_a_nan_in_the_way_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(export([{"id": 1, "content": 1e400}]), encoding="utf-8")
    with pytest.raises(BadExport):
        read(path)


def test_all_formats_have_a_name() -> None:
    formats: tuple[Importer, ...] = FORMATS
    assert all(importer.name for importer in formats)
