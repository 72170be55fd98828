"""WhatsApp's text exports."""

from __future__ import annotations

import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.collect import collect
from finetune.errors import BadExport
from finetune.importers.whatsapp import WhatsApp
from finetune.message import ChatMessage, ReadOptions, Record, Remark, Skipped
from finetune.reading.source import Source
from finetune.reading.whatsapp_header import header_of
from tests.conftest import ROOT

OPTIONS = ReadOptions(zone=UTC)
SAMPLES = ROOT / "tests" / "exports" / "whatsapp"
FUZZED = [
    (SAMPLES / "android_group" / "WhatsApp-Chat mit Plauderei.txt").read_bytes(),
    (SAMPLES / "eastern" / "_chat.txt").read_bytes(),
    (SAMPLES / "WhatsApp Chat with Nour.txt").read_bytes(),
    zipfile.ZipFile(SAMPLES / "WhatsApp Chat - Trip.zip").read("_chat.txt"),
]
LRM = "\u200e"
fast = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


def records(
    folder: Path,
    text: str | bytes,
    options: ReadOptions = OPTIONS,
    name: str = "WhatsApp Chat with Bo.txt",
) -> list[Record]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return list(WhatsApp().read(Source.of(path), options))


def messages(
    folder: Path,
    text: str | bytes,
    options: ReadOptions = OPTIONS,
    name: str = "WhatsApp Chat with Bo.txt",
) -> list[ChatMessage]:
    found = records(folder, text, options, name)
    return [record for record in found if isinstance(record, ChatMessage)]


def days(folder: Path, dates: str, options: ReadOptions = OPTIONS) -> list[str]:
    lines = "".join(f"{date} - Bo: x\n" for date in dates.split("|"))
    return [m.sent_at.strftime("%Y-%m-%d %H:%M") for m in messages(folder, lines, options)]


def is_export(folder: Path, text: str, name: str = "notes.txt") -> bool:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return WhatsApp().recognises(Source.of(path))


@pytest.mark.parametrize(
    "header",
    [
        "[15.01.24, 10:30:00] ",
        f"{LRM}[15.01.24, 10:30:00] ",
        "[1/15/24, 10:30:00 AM] ",
        "[1/15/24, 10:30:00\u202fAM] ",
        "[2018/06/13, 21:25:15] ",
        "[01/01/19 11:25] ",
        "[08.02.2026, 08:00] ",
        "1/29/18, 12:24 - ",
        "29.01.18, 12:24 - ",
        "2019-10-20, 10:16 - ",
        "01/20/2019, 11:23 a. m. - ",
        "01/20/2019, 11:23 p.\u00a0m. - ",
        "03-06-2018, 01.55 PM - ",
        "13.6.2018 klo 21.25.15 - ",
        "09/17/19, 8:30:52 AM – ",
        "13.06.18 21.25.15: ",
        "13. 6. 2018. 21:25 - ",
        "13.06.18 г., 21:25 - ",
        "[13.06.18 г., 21:25:15] ",
        "[2021. 3. 4. 오후 3:04:05] ",
        "[2021/3/14 下午12:05:09] ",
        "۱۳/۳/۲۰۲۱، ۱۰:۰۱ ب.ظ. - ",
    ],
)
def test_every_known_header_is_one(header: str) -> None:
    found = header_of(f"{header}Ann: hi")
    assert found is not None and found.rest == "Ann: hi"


@pytest.mark.parametrize(
    "line",
    [
        *("2/11/19: Arrival", "2016-04-29 10:30:00", "2016-04-29 10:30:00,123 - INFO: x"),
        *("[1/2/2019, 10:00 Ann: hi", "1/2/2019, 10:00] Ann: hi", "1/2.2019, 10:00 - Ann: hi"),
        *("1/2/201, 10:00 - Ann: hi", "1/2/2019, 10:00 xm - Ann: hi", ""),
    ],
)
def test_other_lines_are_no_headers(line: str) -> None:
    assert header_of(line) is None


def test_a_number_above_twelve_is_the_day(tmp_path: Path) -> None:
    assert days(tmp_path, "1/2/18, 12:24|1/29/18, 12:24")[0] == "2018-01-02 12:24"
    assert days(tmp_path, "1/2/18, 12:24|29/1/18, 12:24")[0] == "2018-02-01 12:24"


def test_time_goes_on(tmp_path: Path) -> None:
    assert days(tmp_path, "1/2/18, 9:00|1/3/18, 9:00|2/1/18, 9:00")[2] == "2018-02-01 09:00"
    assert days(tmp_path, "2/1/18, 9:00|3/1/18, 9:00|1/2/18, 9:00")[2] == "2018-02-01 09:00"


def test_a_year_in_front_is_one(tmp_path: Path) -> None:
    assert days(tmp_path, "2019/03/04, 9:00") == ["2019-03-04 09:00"]
    assert days(tmp_path, "99/03/04, 9:00|99/03/05, 9:00")[1] == "2099-03-05 09:00"
    years = "18/06/13, 9:00|18/06/14, 9:00|18/06/15, 9:00|18/06/16, 9:00"
    assert days(tmp_path, years)[3] == "2018-06-16 09:00"


def test_one_impossible_day_turns_nothing_round(tmp_path: Path) -> None:
    found = records(
        tmp_path,
        "05.02.23, 10:00 - Bo: a\n06.02.23, 10:00 - Bo: b\n31.02.23, 10:00 - Bo: c\nd\n"
        "01.03.23, 10:00 - Bo: e\n",
    )
    assert [r.sent_at.day for r in found if isinstance(r, ChatMessage)] == [5, 6, 1]
    assert Skipped("line 3", "no readable time") in found


def test_an_american_clock_decides_a_tie_and_the_file_says_that_it_guessed(tmp_path: Path) -> None:
    assert days(tmp_path, "3/4/18, 1:55 PM") == ["2018-03-04 13:55"]
    assert days(tmp_path, "3/4/18, 13:55") == ["2018-04-03 13:55"]
    found = records(tmp_path, "3/4/18, 13:55 - Bo: x\n")
    assert [r.text for r in found if isinstance(r, Remark)] == [
        "The dates of WhatsApp Chat with Bo.txt can be read in two ways; they were taken as "
        "day, month, year."
    ]


def test_the_user_knows_better_which_number_is_the_day(tmp_path: Path) -> None:
    options = ReadOptions(zone=UTC, day_first=False)
    assert days(tmp_path, "3/4/18, 13:55", options) == ["2018-03-04 13:55"]
    found = records(tmp_path, "3/4/18, 13:55 - Bo: x\n", options)
    assert not any(isinstance(r, Remark) for r in found)


def test_noon_and_midnight_of_twelve_hours(tmp_path: Path) -> None:
    found = days(tmp_path, "1/29/18, 12:01 AM|1/29/18, 12:01 PM|1/29/18, 11:01 p. m.")
    assert [time[-5:] for time in found] == ["00:01", "12:01", "23:01"]


def test_pasted_lines_of_another_style_stay_in_their_message(tmp_path: Path) -> None:
    pasted = (
        "[1.2.2019, 00:00:00] Zoe: hi\n2/11/19: Arrival\n2016-04-29 10:30:00\n1.2.19, 9:00 - Z: x"
    )
    text = f"01.02.2019, 10:00 - Bo: look\n{pasted}\n"
    text += "13.02.2019, 10:00 - Ann: ok\n14.02.2019, 9:00 - Bo: k"
    found = messages(tmp_path, text)
    assert [m.text for m in found] == [f"look\n{pasted}", "ok", "k"]


def test_on_ios_messages_begin_after_cr_lf_only(tmp_path: Path) -> None:
    text = (
        "[13.1.24, 10:00:00] Bo: one\n[12.1.24, 9:00:00] Z: two\r\n[13.1.24, 10:00:01] Ann: 3\r\n"
    )
    many = text + "[14.1.24, 10:00:00] Bo: x\r\n" * 9
    assert messages(tmp_path, many)[0].text == "one\n[12.1.24, 9:00:00] Z: two"


def test_two_exports_in_one_file_are_remarked_upon(tmp_path: Path) -> None:
    found = records(tmp_path, "13.1.24, 10:00 - Bo: one\n[13.1.24, 10:00:01] Bo: two\n")
    assert any(isinstance(r, Remark) and "another phone" in r.text for r in found)


def test_a_name_with_a_colon_is_learnt_from_all_its_messages(tmp_path: Path) -> None:
    text = "".join(f"13.1.24, 10:0{n} - Dr: Who: message: {n}\n" for n in range(5))
    found = messages(tmp_path, text)
    assert {m.author.name for m in found} == {"Dr: Who"}
    assert found[4].text == "message: 4"


def test_the_chats_title_speaks_only_for_the_program(tmp_path: Path) -> None:
    text = f"[13.1.24, 10:00:00] Bo: {LRM}Zoe tunkki\n[13.1.24, 10:00:01] Ann: {LRM}Zoe tunkki\n"
    assert [m.kind for m in messages(tmp_path, text)] == ["system", "person"]
    text += "[13.1.24, 10:00:02] Bo: I am a person\n"
    assert [m.kind for m in messages(tmp_path, text)] == ["person"] * 3


def test_a_notice_with_a_colon_in_quotes_has_no_author(tmp_path: Path) -> None:
    [found] = messages(tmp_path, "13.1.24, 10:00 - Ann changed the subject to “a: b”\n")
    assert (found.author.name, found.kind) == ("WhatsApp", "system")


def test_a_push_name_and_a_number_lose_their_marks(tmp_path: Path) -> None:
    text = (
        "13.1.24, 10:00 - ~\u202fAnn: a\n13.1.24, 10:00 - \u202a+49 1523 1\u202c: b\n"
        "13.1.24, 10:00 - ~: c\n"
    )
    assert [m.author.shown_name for m in messages(tmp_path, text)] == ["Ann", "+49 1523 1", "~"]


def test_order_of_the_file_stays_where_times_go_back(tmp_path: Path) -> None:
    assert days(tmp_path, "13.1.24, 10:05|13.1.24, 10:04") == [
        "2024-01-13 10:05",
        "2024-01-13 10:04",
    ]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("WhatsApp Chat with Ann B.txt", "Ann B"),
        ("WhatsApp Chat with Ann B (1).txt", "Ann B"),
        ("WhatsApp-Chat mit Ann.txt", "Ann"),
        ("Chat de WhatsApp con Ann.txt", "Ann"),
        ("Conversa do WhatsApp com Ann.txt", "Ann"),
        ("Discussion WhatsApp avec Ann.txt", "Ann"),
        ("Chat WhatsApp con Ann.txt", "Ann"),
        ("Чат WhatsApp с контактом Ann.txt", "Ann"),
        ("WhatsApp Chat - Trip - Rome.txt", "Trip - Rome"),
        ("Ann.txt", "Ann"),
    ],
)
def test_the_files_name_is_the_chats(tmp_path: Path, name: str, title: str) -> None:
    [found] = messages(tmp_path, "13.1.24, 10:00 - Bo: x\n", name=name)
    assert found.chat.name == title


def test_a_file_without_a_telling_name_takes_its_folders_or_zips(tmp_path: Path) -> None:
    folder = tmp_path / "WhatsApp Chat - Ann"
    folder.mkdir()
    [found] = messages(folder, "13.1.24, 10:00 - Bo: x\n", name="_chat.txt")
    with zipfile.ZipFile(tmp_path / "WhatsApp Chat - Ann.zip", "w") as file:
        file.write(folder / "_chat.txt", "_chat.txt")
    [zipped] = collect([tmp_path / "WhatsApp Chat - Ann.zip"], OPTIONS).found
    assert [found] == list(zipped.importer.read(zipped.source, OPTIONS))
    assert found.chat.name == "Ann"


@pytest.mark.parametrize(
    "text",
    [
        "2016-04-29 10:30:00 - INFO: started\n2016-04-29 10:30:01 - INFO: x\n",
        "Meeting\n13.1.24, 10:00 - 11:00: talk\n",
        "13.1.24, 10:00 - lunch\n",
        "==========\nGuild: x\n[01/01/2019 11:25 AM] ann#1\nhi\n",
        "2020년 1월 1일 오후 3:45, Ann : hi\n",
        '{"a": "13.1.24, 10:00 - Bo: x"}',
        "",
    ],
)
def test_look_alikes_are_refused(tmp_path: Path, text: str) -> None:
    assert not is_export(tmp_path, text)


def test_a_renamed_export_is_recognised(tmp_path: Path) -> None:
    assert is_export(tmp_path, "\ufeff13.1.24, 10:00 - Bo: x\n")
    assert is_export(tmp_path, "x\n13.1.24, 10:00 - lunch\n", "WhatsApp Chat with Bo.txt")


def test_a_cut_off_file_gives_what_is_there(tmp_path: Path) -> None:
    text = "13.1.24, 10:00 - Bo: one\n13.1.24, 10:01 - Ann: two\n13.1.2"
    assert [m.text for m in messages(tmp_path, text)] == ["one", "two\n13.1.2"]


NAMES = st.text(st.characters(categories=("L", "So")), min_size=1, max_size=12)
BITS = st.sampled_from(
    ["[1.2.2019, 00:00:00] Z: x", "1/2/19, 9:00 - Z: x", ": ", "\n", "\u0085", "\u2028", "\f", "\r"]
)
TEXTS = st.lists(st.text(max_size=20) | BITS, max_size=5).map("".join)
# What WhatsApp itself trims, and what stands in files for something else.
TEXTS = TEXTS.map(
    lambda text: re.sub(r"\r+(\n|$)", r"\1", text).strip().strip("\u200e\ufeff").strip()
)
START = datetime(2024, 1, 13, tzinfo=UTC)


@given(
    st.lists(st.tuples(NAMES, TEXTS, st.integers(0, 10**4)), min_size=1, max_size=8),
    st.sampled_from([("{:%d.%m.%Y, %H:%M} - ", "\n"), ("[{:%d.%m.%y, %H:%M:%S}] ", "\r\n")]),
)
@fast
def test_what_a_phone_writes_is_read_back(
    tmp_path: Path, chat: list[tuple[str, str, int]], style: tuple[str, str]
) -> None:
    header, end = style
    said, text, at = [], "", START
    for name, words, minutes in chat:
        at += timedelta(minutes=minutes)
        said.append((name, words, at))
        text += f"{header.format(at)}{name}: {words}{end}"
    found = messages(tmp_path, text, ReadOptions(zone=UTC, day_first=True))
    assert [(m.author.name, m.text, m.sent_at) for m in found] == said


@given(st.sampled_from(FUZZED), st.data())
@fast
def test_damaged_files_raise_nothing_unforeseen(
    tmp_path: Path, data: bytes, draw: st.DataObject
) -> None:
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(start, min(len(data), start + 40)))
    broken = data[:start] + draw.draw(st.binary(max_size=8)) + data[end:]
    broken = broken[: draw.draw(st.integers(0, len(broken)))]
    path = tmp_path / "WhatsApp Chat with Bo.txt"
    path.write_bytes(broken)
    try:
        if WhatsApp().recognises(Source.of(path)):
            assert list(WhatsApp().read(Source.of(path), OPTIONS)) is not None
    except BadExport:
        pass
