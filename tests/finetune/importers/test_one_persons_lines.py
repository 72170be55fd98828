"""Bare lines of one person: who wrote them, and when they are no export at all."""

from __future__ import annotations

import csv
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.errors import NotAnExport
from finetune.importers import importer_for
from finetune.importers.one_persons_lines import HEADERS, OnePersonsLines
from finetune.message import ChatMessage, ReadOptions, Remark, Skipped
from finetune.reading.source import Source
from tests.conftest import botconvo_here

ANNA = ReadOptions(zone=UTC, author="Anna")


def texts(path: Path, options: ReadOptions = ANNA) -> list[str]:
    records = OnePersonsLines().read(Source.of(path), options)
    return [record.text for record in records if isinstance(record, ChatMessage)]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))))
@settings(max_examples=100, deadline=None)
def test_what_gpt_2_simple_reads_is_read_back(lines: list[str]) -> None:
    path = Path("anna.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["text"], *([line] for line in lines)])
    assert texts(path) == [line for line in lines if line.strip()]


def test_a_first_row_that_is_no_header_is_a_line() -> None:
    Path("anna.csv").write_text("hello there\nbye\n", encoding="utf-8")
    assert texts(Path("anna.csv")) == ["hello there", "bye"]
    assert "text" in HEADERS


def test_a_csv_of_one_column_is_of_whom_its_file_is_named_after() -> None:
    Path("Fish.csv").write_text('text\n"a, b"\n', encoding="utf-8")
    importer = importer_for(Source.of(Path("Fish.csv")))
    remark, message = importer.read(Source.of(Path("Fish.csv")), ReadOptions())
    assert isinstance(message, ChatMessage) and message.author.shown_name == "Fish"
    assert isinstance(remark, Remark) and "gives no times" in remark.text


@pytest.mark.parametrize("data", ["a,b\n1,2\n", "", "\n", '{"a": 1}\n1,2\n'])
def test_a_csv_of_several_columns_or_none_is_not_somebodys_lines(data: str) -> None:
    Path("x.csv").write_text(data, encoding="utf-8")
    assert not OnePersonsLines().recognises(Source.of(Path("x.csv")))


def test_a_text_counts_only_if_the_user_says_who_wrote_it() -> None:
    Path("notes.txt").write_text("milk\n\neggs\n", encoding="utf-8")
    source = Source.of(Path("notes.txt"))
    with pytest.raises(NotAnExport, match="say who: botconvo import FILE --author NAME"):
        importer_for(source)
    records = list(importer_for(source, ANNA).read(source, ANNA))
    assert [r.where for r in records if isinstance(r, Skipped)] == ["line 2"]
    assert botconvo_here("import", "notes.txt", "--author", "Anna").returncode == 0
    assert botconvo_here("import", "notes.txt").returncode == 2


def test_lines_added_later_are_all_that_is_new() -> None:
    Path("anna.txt").write_text("ok\nsoup\nok\n", encoding="utf-8")
    first = botconvo_here("import", "anna.txt", "--author", "Anna")
    Path("anna.txt").write_text("hello\nok\nsoup\nok\nok\n", encoding="utf-8")
    second = botconvo_here("import", "anna.txt", "--author", "Anna")
    assert "3 read = 3 new" in first.stdout
    assert "5 read = 2 new + 3 already there" in second.stdout
