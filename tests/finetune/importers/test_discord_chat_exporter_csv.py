"""DiscordChatExporter's CSV: quoting habits, dates, accounts, damage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from finetune.errors import BrokenOff
from finetune.importers.discord_chat_exporter_csv import DiscordChatExporterCsv
from finetune.message import ChatMessage, ReadOptions, Record, Remark, Skipped
from finetune.reading.source import Source

IMPORTER = DiscordChatExporterCsv()
OPTIONS = ReadOptions(zone=UTC)
HEADER = "AuthorID,Author,Date,Content,Attachments,Reactions\n"
OLD_HEADER = "Author;Date;Content;Attachments;\r\n"

fast = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def records(path: Path, data: str | bytes, options: ReadOptions = OPTIONS) -> list[Record]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "replace"))
    return list(IMPORTER.read(Source.of(path), options))


def messages(path: Path, data: str, options: ReadOptions = OPTIONS) -> list[ChatMessage]:
    return [r for r in records(path, data, options) if isinstance(r, ChatMessage)]


def row(date: str, author: str = "ada", content: str = "hi", attachments: str = "") -> str:
    fields = ["1", author, date, content, attachments, ""]
    return ",".join('"' + field.replace('"', '""') + '"' for field in fields) + "\n"


def dates(path: Path, *printed: str, options: ReadOptions = OPTIONS) -> list[str]:
    rows = "".join(row(date) for date in printed)
    return [m.sent_at.strftime("%d.%m.%y %H:%M") for m in messages(path, HEADER + rows, options)]


@pytest.mark.parametrize(
    "printed",
    [
        "2024-03-15T22:30:00.0000000+00:00",
        "2024-03-15 22:30",
        "15-Mar-24 10:30 PM",
        "Friday, 15 March 2024 22:30:00",
        "Mar 15, 2024 10:30 PM",
        "03/15/2024 10:30 PM",
        "3/15/2024 10:30\u202fPM",
        "15/03/2024 22:30",
        "15.03.2024 22:30",
        "15.3.2024 22.30",
        "15-03-2024 22:30",
        "15. 03. 2024. 22:30",
        "15.3.2024 г. 22:30 ч.",
        "2024. 03. 15. 22:30",
        "2024. 3. 15. 오후 10:30",
        "2024/3/15 下午10:30",
        "2024/03/15 22:30",
        "2024-03-15 22 h 30",
        "15\u200f/3\u200f/2024 10:30 م",
        "15/03/2024 10:30 p.\xa0m.",
        "1710541800",
        "1710541800000",
    ],
)
def test_a_date_is_read_in_every_form(tmp_path: Path, printed: str) -> None:
    assert dates(tmp_path / "x.csv", printed) == ["15.03.24 22:30"]


@pytest.mark.parametrize(
    "printed", ["", "soon", "2024-13-01 10:00", "15/03/1445 10:00", "9" * 13, "15-Foo-24 10:00 AM"]
)
def test_an_unreadable_date_is_counted(tmp_path: Path, printed: str) -> None:
    found = records(tmp_path / "x.csv", HEADER + row(printed) + row("2024-01-01 10:00"))
    assert found[0] == Skipped("message 1", "no readable time")
    assert isinstance(found[1], ChatMessage)


def test_one_date_tells_the_order_of_day_and_month_for_all(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    assert dates(path, "03/04/2023 10:00", "13/04/2023 10:00")[0] == "03.04.23 10:00"
    assert dates(path, "03/04/2023 10:00", "04/13/2023 10:00")[0] == "04.03.23 10:00"


def test_messages_never_go_back_in_time(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    assert dates(path, "9/2/2023 10:00", "10/1/2023 10:00", "10/2/2023 10:00") == [
        "02.09.23 10:00",
        "01.10.23 10:00",
        "02.10.23 10:00",
    ]
    assert not [r for r in records(path, path.read_bytes()) if isinstance(r, Remark)]


def test_a_guess_of_the_day_is_told_and_can_be_overruled(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    american, other, australian = "3/4/2023 10:00 AM", "3/4/2023 10:00", "3/04/2023 10:00 AM"
    for printed, date in [(american, "04.03"), (other, "03.04"), (australian, "03.04")]:
        first, *_ = records(path, HEADER + row(printed))
        assert isinstance(first, Remark) and printed in first.text
        assert dates(path, printed) == [f"{date}.23 10:00"]
    overruled = ReadOptions(zone=UTC, day_first=True)
    assert dates(path, american, options=overruled) == ["03.04.23 10:00"]
    assert isinstance(records(path, path.read_bytes(), overruled)[0], ChatMessage)


def test_an_author_is_known_by_id_or_else_by_the_whole_name(tmp_path: Path) -> None:
    [new] = messages(tmp_path / "x.csv", HEADER + row("2024-01-01 10:00", "Ada#1234"))
    old_row = '"Ada#1234";"06-Dec-18 11:19 PM";"hi";"";\r\n'
    [old] = messages(tmp_path / "x.csv", OLD_HEADER + old_row)
    assert (new.author.key, new.author.name, new.author.shown_name) == ("1", "Ada", "Ada")
    assert (old.author.key, old.author.name, old.author.shown_name) == ("Ada#1234", "Ada", "Ada")


def test_an_id_that_a_spreadsheet_rounded_makes_no_two_people_one(tmp_path: Path) -> None:
    rounded = [
        row("2024-01-01 10:00", name).replace('"1"', '"1.01E+17"', 1) for name in ("ada", "bo")
    ]
    found = messages(tmp_path / "x.csv", HEADER + "".join(rounded))
    assert [message.author.key for message in found] == ["ada", "bo"]


def test_a_webhooks_name_is_its_account(tmp_path: Path) -> None:
    names = [row("2024-01-01 10:00", name) for name in ("Captain Hook#0000", "Smee!#0000")]
    found = messages(tmp_path / "x.csv", HEADER + "".join(names))
    assert [message.author.key for message in found] == ["Captain Hook#0000", "Smee!#0000"]


@pytest.mark.parametrize(
    ("author", "kind", "shown"),
    [
        ("Deleted User#0000", "person", "Deleted User"),
        ("Deleted User", "person", "Deleted User"),
        ("", "person", "Deleted User"),
        ("Spidey Bot#0000", "webhook", "Spidey Bot"),
        ("ada.lovelace#0000", "person", "ada.lovelace"),
        ("#0000", "webhook", "#0000"),
    ],
)
def test_an_author_without_a_number(tmp_path: Path, author: str, kind: str, shown: str) -> None:
    [message] = messages(tmp_path / "x.csv", HEADER + row("2024-01-01 10:00", author))
    assert (message.kind, message.author.shown_name) == (kind, shown)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Added Bo to the group.", "system"),
        ("Changed the channel name: new; name", "system"),
        ("Started a call that lasted 1,234 minutes.", "system"),
        ("Joined the server.", "system"),
        ("Joined the server. Hello!", "person"),
        ("Changed the channel name.\nSorry", "person"),
    ],
)
def test_a_notice_is_known_by_its_words(tmp_path: Path, text: str, kind: str) -> None:
    [message] = messages(tmp_path / "x.csv", HEADER + row("2024-01-01 10:00", content=text))
    assert message.kind == kind


@pytest.mark.parametrize(
    ("file", "key", "name"),
    [
        ("S - P - c [123456789012345678].csv", "123456789012345678", "S / c"),
        ("S - c [123456789012345678] (after 2021-01-01).csv", "123456789012345678", "S / c"),
        (
            "A - B - P - c [123456789012345678] (2021-01-01 to 2021-02-01) [part 12].csv",
            "123456789012345678",
            "A / B / P / c",
        ),
        ("our chat (before 2021-01-01) [part 2].csv", "our chat", "our chat"),
        ("[123456789012345678].csv", "123456789012345678", "[123456789012345678]"),
    ],
)
def test_a_chat_is_known_by_the_file_name(tmp_path: Path, file: str, key: str, name: str) -> None:
    [message] = messages(tmp_path / file, HEADER + row("2024-01-01 10:00"))
    assert (message.chat.key, message.chat.name) == (key, name)


@pytest.mark.parametrize("header", ["AuthorID,Author,Date,Content,Attachments,Reactions"])
def test_a_file_without_messages_is_empty(tmp_path: Path, header: str) -> None:
    for data in (header, header + "\r\n", OLD_HEADER):
        assert records(tmp_path / "x.csv", data) == []
        assert IMPORTER.recognises(Source.of(tmp_path / "x.csv"))


@pytest.mark.parametrize(
    "data",
    [
        "ID,Timestamp,Contents,Attachments\n1,2,3,4\n",
        "Author,Date,Content\n",
        "AuthorID;Author,Date,Content,Attachments,Reactions\n",
        "hello\nAuthorID,Author,Date,Content,Attachments,Reactions\n",
        "AuthorID,Author,Date,Content,Attachments,Reactions,Extra\n",
        "",
        "\0\0\0",
    ],
)
def test_a_look_alike_is_refused(tmp_path: Path, data: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(data)
    assert not IMPORTER.recognises(Source.of(path))


def test_a_file_saved_anew_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    data = 'AuthorID;Author;Date;Content;Attachments;Reactions\n1;ada;15.03.2024 22:30;"a;b";;\n'
    [message] = messages(tmp_path / "x.csv", data)
    assert message.text == "a;b"


@pytest.mark.parametrize("cut", [3, 40, 52])
def test_a_cut_off_file_says_where_it_ends(tmp_path: Path, cut: int) -> None:
    good = HEADER + row("2024-01-01 10:00") * 2
    broken = row("2024-01-01 10:01", content="a longer message\nof two lines")[:cut]
    path = tmp_path / "x.csv"
    path.write_text(good + broken)
    found = []
    with pytest.raises(BrokenOff, match="after message 2") as error:
        for record in IMPORTER.read(Source.of(path), OPTIONS):
            found.append(record)
    assert len(found) == 2 and error.value.where == "after message 2"


def test_a_cut_off_old_file_says_where_it_ends(tmp_path: Path) -> None:
    good = '"Ada#1234";"06-Dec-18 11:19 PM";"hi";"";\r\n'
    with pytest.raises(BrokenOff, match="after message 1"):
        records(tmp_path / "x.csv", OLD_HEADER + good + good[:-8])


def test_a_lost_quote_costs_only_the_rows_around_it(tmp_path: Path) -> None:
    long = row("2024-01-01 10:00", content="x" * 3000) * 100
    data = HEADER + row("2024-01-01 10:00") + '"1","a","b\n' + long + row("2024-01-01 10:01")
    found = records(tmp_path / "x.csv", data)
    assert any(isinstance(record, Skipped) for record in found)
    assert isinstance(found[0], ChatMessage) and isinstance(found[-1], ChatMessage)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=40)
TIMES = st.integers(1_430_000_000, 1_800_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
TRICKS = st.sampled_from(['"', '","', '";"', "\n", ";\n", '";\n"', "\u2028", "{Embed}", "#0000"])
CONTENTS = st.lists(TEXT | TRICKS, max_size=6).map("".join)
ROWS = st.lists(st.tuples(st.sampled_from(["ada", "Bo#0042", "نور"]), TIMES, CONTENTS), max_size=8)


def quoted(fields: Sequence[str], delimiter: str) -> str:
    return delimiter.join('"' + field.replace('"', '""') + '"' for field in fields)


@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.integers(-11, 13))
@fast
def test_what_the_exporter_writes_is_read_back(
    tmp_path: Path, rows: list[tuple[str, datetime, str]], end: str, hours: int
) -> None:
    zone = timezone(timedelta(hours=hours))
    data = "AuthorID,Author,Date,Content,Attachments,Reactions" + end
    for author, time, content in rows:
        local = time.astimezone(zone)
        printed = f"{local:%Y-%m-%dT%H:%M:%S}.1234567{local.isoformat()[-6:]}"
        data += quoted(["7", author, printed, content, "", ""], ",") + end
    found = messages(tmp_path / "x.csv", data)
    assert [(m.text, m.sent_at.replace(microsecond=0)) for m in found] == [
        (text, time) for _, time, text in rows
    ]


@given(ROWS)
@fast
def test_quotes_that_are_not_doubled_are_read_as_they_are(
    tmp_path: Path, rows: list[tuple[str, datetime, str]]
) -> None:
    data = OLD_HEADER
    contents = [re.sub('"+', '"', content) for _, _, content in rows]
    # Nothing tells a row that somebody wrote into a message from a real one.
    assume(not any(re.search(r'".*;.*\d', content) for content in contents))
    for (author, time, _), content in zip(rows, contents, strict=True):
        data += f'"{author}";"{time:%d-%b-%y %I:%M %p}";"{content}";"";\r\n'
    assert [m.text for m in messages(tmp_path / "x.csv", data)] == contents


@given(ROWS)
@fast
def test_bare_rows_of_the_first_exporters_are_read_back(
    tmp_path: Path, rows: list[tuple[str, datetime, str]]
) -> None:
    data = "Author;Date;Content;Attachments\r\n"
    contents = [content.replace("\n", ", ") for _, _, content in rows]
    for (_, time, _), content in zip(rows, contents, strict=True):
        written = content.replace('"', '""')
        if "," in written or ";" in written:
            written = f'"{written}"'
        data += f"Ada#1234;{time:%d-%b-%y %I:%M %p};{written};;\r\n"
    assert [m.text for m in messages(tmp_path / "x.csv", data)] == contents


@given(ROWS, st.booleans())
@fast
def test_what_an_old_exporter_wrote_is_read_back(
    tmp_path: Path, rows: list[tuple[str, datetime, str]], has_ids: bool
) -> None:
    data = "\ufeff" + ("AuthorID;" if has_ids else "") + "Author;Date;Content;Attachments;"
    data += "Reactions;\r\n" if has_ids else "\r\n"
    for author, time, content in rows:
        fields = [author, time.strftime("%d-%b-%y %I:%M %p"), content, "https://x/y.png"]
        data += quoted(["7", *fields, ""] if has_ids else fields, ";") + ";\r\n"
    found = messages(tmp_path / "x.csv", data)
    assert [m.text for m in found] == [text for _, _, text in rows]
    assert all(m.attachments == 1 for m in found)
