"""DiscordChatExporter's plain text: headings, blocks, order, endings, damage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from finetune.errors import BrokenOff
from finetune.importers.discord_chat_exporter_text import BLOCKS, DiscordChatExporterText
from finetune.message import ChatMessage, ReadOptions, Record, Remark
from finetune.reading.source import Source

IMPORTER = DiscordChatExporterText()
OPTIONS = ReadOptions(zone=UTC)
RULE = "=" * 62

fast = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def export(*messages: str, preamble: str = "Guild: S\nChannel: P / c\n", end: str = "\n") -> str:
    ending = f"{RULE}\nExported {len(messages):,} message(s)\n{RULE}\n"
    return f"{RULE}\n{preamble}{RULE}\n\n{''.join(messages)}{ending}".replace("\n", end)


def written(date: str, content: str = "hi", blocks: str = "", author: str = "ada") -> str:
    return f"[{date}] {author}\n{content}\n\n{blocks}\n"


def records(path: Path, data: str, options: ReadOptions = OPTIONS) -> list[Record]:
    path.write_bytes(data.encode("utf-8", "replace"))
    assert IMPORTER.recognises(Source.of(path))
    return list(IMPORTER.read(Source.of(path), options))


def messages(path: Path, data: str) -> list[ChatMessage]:
    return [r for r in records(path, data) if isinstance(r, ChatMessage)]


def test_the_chat_is_known_by_its_id_or_else_by_server_and_channel(tmp_path: Path) -> None:
    data = export(written("1/15/2024 10:30 AM"))
    [named] = messages(tmp_path / "x.txt", data)
    [numbered] = messages(tmp_path / "S - P - c [123456789012345678] [part 2].txt", data)
    assert (named.chat.key, named.chat.name) == ("S / P / c", "S / c")
    assert (numbered.chat.key, numbered.chat.name) == ("123456789012345678", "S / c")


def test_blocks_are_no_text(tmp_path: Path) -> None:
    blocks = (
        "{Attachments}\nhttps://x/1.png\nx_Files/two words.png\n\n"
        "{Embed}\ntitle\n\nline after a blank one\n\n{Embed}\n\n"
        "{Stickers}\nhttps://x/s.png\n\n{Reactions}\n👍 (2)\n"
    )
    [message] = messages(tmp_path / "x.txt", export(written("15.01.2024 10:30", "hi", blocks)))
    assert (message.text, message.attachments, message.forwarded) == ("hi", 3, False)


def test_a_word_in_braces_within_a_sentence_is_text(tmp_path: Path) -> None:
    text = "a\n{Embed}\n\n{Embed} b\n\n{embed}"
    [message] = messages(tmp_path / "x.txt", export(written("15.01.2024 10:30", text)))
    assert message.text == text


@pytest.mark.parametrize(
    "block",
    [
        "{Forwarded Message}\na\n\nb\nOriginally sent: 14.01.2024 9:00\n\n",
        "{Forwarded Message}\na\n\nb\n\nOriginally sent: 14.01.2024 9:00\n\n{Reactions}\n👍\n",
    ],
)
def test_a_forwarded_message_has_somebody_elses_words(tmp_path: Path, block: str) -> None:
    [message] = messages(tmp_path / "x.txt", export(written("15.01.2024 10:30", "", block)))
    assert (message.text, message.forwarded, message.attachments) == ("a\n\nb", True, 0)


def test_a_forwarded_picture_is_a_picture(tmp_path: Path) -> None:
    block = (
        "{Forwarded Message}\n\n{Attachments}\nhttps://x/1.png\n\n"
        "Originally sent: 14.01.2024 9:00\n\n"
    )
    [message] = messages(tmp_path / "x.txt", export(written("15.01.2024 10:30", "", block)))
    assert (message.text, message.forwarded, message.attachments) == ("", True, 1)


def test_a_pasted_heading_of_another_pattern_is_text(tmp_path: Path) -> None:
    text = "look:\n\n[15.01.2024 10:30] bo\nsaid this\n\n[1] source"
    found = messages(tmp_path / "x.txt", export(written("1/15/2024 10:30 AM", text)))
    assert [m.text for m in found] == [text]


def test_a_pinned_message_has_its_plain_author(tmp_path: Path) -> None:
    data = export(written("1/15/2024 10:30 AM", author="Ada#1234 (pinned)"))
    [message] = messages(tmp_path / "x.txt", data)
    assert (message.author.key, message.author.shown_name) == ("Ada#1234", "Ada")


def test_messages_of_one_minute_come_oldest_first_from_a_reversed_file(tmp_path: Path) -> None:
    first = [written("15.01.2024 10:32", "d"), written("15.01.2024 10:31", "c")]
    data = export(*first, written("15.01.2024 10:31", "b"), written("15.01.2024 10:30", "a"))
    assert [m.text for m in messages(tmp_path / "x.txt", data)] == ["a", "b", "c", "d"]


def test_a_guess_of_the_day_is_told(tmp_path: Path) -> None:
    remark, message = records(tmp_path / "x.txt", export(written("3/4/2024 10:30 AM")))
    assert isinstance(remark, Remark) and "--day-first" in remark.text
    assert isinstance(message, ChatMessage) and message.sent_at.month == 3


def test_an_hour_that_comes_twice_in_autumn_turns_nothing_round(tmp_path: Path) -> None:
    times = ["27.10.2024 2:50", "27.10.2024 2:10", "27.10.2024 2:20"]
    data = export(*(written(time, time[-4:]) for time in times))
    assert [m.text for m in messages(tmp_path / "x.txt", data)] == ["2:50", "2:10", "2:20"]


@pytest.mark.parametrize("count", ["1,234", "1.234", "1\u202f234", "1"])
def test_the_ending_is_no_text(tmp_path: Path, count: str) -> None:
    data = export(written("15.01.2024 10:30")).replace("Exported 1 ", f"Exported {count} ")
    assert [m.text for m in messages(tmp_path / "x.txt", data)] == ["hi"]


def test_a_chat_without_messages_is_empty(tmp_path: Path) -> None:
    assert records(tmp_path / "x.txt", export()) == []


@pytest.mark.parametrize(
    "data",
    [
        "",
        RULE,
        f"{RULE}\nGuild: S\nChannel: c\n",
        f"{RULE}\nServer: S\nChannel: c\n{RULE}\n",
        f"# Log\n{RULE}\nGuild: S\nChannel: c\n{RULE}\n",
        "[1/15/2024 10:30 AM] ada\nhi\n",
    ],
)
def test_a_look_alike_is_refused(tmp_path: Path, data: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text(data)
    assert not IMPORTER.recognises(Source.of(path))


def test_a_cut_off_file_says_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    whole = export(written("15.01.2024 10:30"), written("15.01.2024 10:31", "I was about to"))
    path.write_text(whole.partition(" about")[0])
    found = []
    with pytest.raises(BrokenOff, match="after message 1") as error:
        for record in IMPORTER.read(Source.of(path), OPTIONS):
            found.append(record)
    assert len(found) == 1 and error.value.where == "after message 1"


def test_versions_that_wrote_no_ending_are_not_called_cut_off(tmp_path: Path) -> None:
    old = f"{RULE}\nGuild: S\nChannel: c\nMessages: 2\n{RULE}\n\n"
    entries = "[06-Dec-19 11:19 AM] Ada#1\n\n\n[06-Dec-19 11:20 AM] Ada#1\nb\n\n"
    assert len(messages(tmp_path / "x.txt", old + entries)) == 2
    middle = old.replace("Messages: 2\n", "") + entries.replace("\n\n\n", "\na\n\n")
    assert [m.text for m in messages(tmp_path / "x.txt", middle)] == ["a", "b"]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=40)
TRICKS = st.sampled_from(
    ["\n", "\n\n", "{Embed}", RULE, "[1] ada", "Exported 1 message(s)", "#0000"]
)
CONTENTS = st.lists(TEXT | TRICKS, max_size=6).map(lambda parts: "".join(parts).strip("\n"))
TIMES = st.integers(1_430_000_000, 1_800_000_000).map(lambda s: s - s % 60)
AUTHORS = st.sampled_from(["ada", "Bo#0042", "نور", "x (pinned) y"])


@given(
    st.lists(st.tuples(AUTHORS, TIMES, CONTENTS), max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%Y-%m-%d %H:%M", "%d-%b-%y %I:%M %p"]),
    st.booleans(),
)
@fast
def test_what_the_exporter_writes_is_read_back(
    tmp_path: Path, rows: list[tuple[str, int, str]], end: str, pattern: str, has_reactions: bool
) -> None:
    # Nothing is escaped, so nothing tells a block that somebody wrote from a real one.
    assume(not any(f"\n{block}" in text for _, _, text in rows for block in BLOCKS))
    assume(not any(text.startswith(BLOCKS) for _, _, text in rows))
    rows = sorted(rows, key=lambda row: row[1])
    times = [datetime.fromtimestamp(0, UTC) + timedelta(seconds=row[1]) for row in rows]
    entries = [
        written(f"{time:{pattern}}", text, "{Reactions}\n👍 (2)\n" * has_reactions, author)
        for (author, _, text), time in zip(rows, times, strict=True)
    ]
    path = tmp_path / "x.txt"
    path.write_bytes(export(*entries, end=end).encode())
    options = ReadOptions(zone=UTC, day_first=pattern.startswith("%d"))
    found = [r for r in IMPORTER.read(Source.of(path), options) if isinstance(r, ChatMessage)]
    assert [(m.text, m.sent_at) for m in found] == [
        (row[2], time) for row, time in zip(rows, times, strict=True)
    ]
