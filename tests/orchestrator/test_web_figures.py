"""Figures of a conversation, and what is made of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from orchestrator.platforms.web.shapes import command
from orchestrator.platforms.web.stats import evaluated, turn_shares
from orchestrator.transcript import Transcript
from orchestrator.transcript.figures import Figures, percentile
from orchestrator.transcript.shown import Scroll

AT = datetime.fromisoformat("2026-10-25T02:30:00.5+02:00")
AFTER_THE_CLOCKS_CHANGED = datetime.fromisoformat("2026-10-25T02:30:00+01:00")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "t.sqlite"
    with Transcript.open(path, fresh=True, seed=1, now=AT) as transcript:
        transcript.add("Dex", "friend", "of another conversation", {}, AT)
    with Transcript.open(path, fresh=True, seed=1, now=AT) as transcript:
        first = transcript.add("Anna", "person", "soup?", {}, AT)
        turn = {"source": "person", "phrase": "soup", "phrase_from": first}
        liked = transcript.add("Dex", "friend", "soup!", {"turn": turn}, AT, first)
        taken_back = transcript.add("Dex", "friend", "no", {"turn": {"source": "line"}}, AT)
        transcript.unsay(taken_back)
        for why in ({"reason": "busy"}, {"reason": "muted"}, {"reason": "busy"}, {}):
            transcript.add("Juno", "silence", "", why, AT)
        transcript.add("Juno", "friend", "odd", {"turn": 5}, AFTER_THE_CLOCKS_CHANGED)
        transcript.posted(liked, "x", "m1")
        transcript.posted(taken_back, "x", "m2")
        for message, author, emoji in (
            ("m1", "Anna", "🍕"), ("m1", "Bob", "🍕"), ("m1", "Bob", "❤"), ("m2", "Bob", "❤"),
        ):  # fmt: skip
            transcript.add_reaction("x", message, author, emoji, AT)
    return path


def test_what_was_said_is_counted_by_who_and_when(file: Path) -> None:
    with Scroll.open(file, 2) as scroll:
        spoken = Figures(scroll.database, 2).spoken()
    assert spoken.lines_by_friend == {"Dex": 1, "Juno": 1}
    assert spoken.people == 1
    assert spoken.lines_by_hour == [
        ("2026-10-25T02:00:00+02:00", 2), ("2026-10-25T02:00:00+01:00", 1),
    ]  # fmt: skip


def test_reasons_tell_of_sources_and_phrases_even_if_some_are_odd(file: Path) -> None:
    with Scroll.open(file, 2) as scroll:
        figures = Figures(scroll.database, 2)
        recent = figures.recent()
        assert recent.sources == {"person": 1}
        [handed] = recent.phrases
        assert (handed.phrase, handed.giver, handed.taker) == ("soup", "Anna", "Dex")
        assert figures.silences() == [("busy", 2), ("muted", 1)]


def test_the_line_with_most_reactions_comes_with_them(file: Path) -> None:
    with Scroll.open(file, 2) as scroll:
        [(line_id, count)] = Figures(scroll.database, 2).most_liked()
        assert count == 3
        assert scroll.lines([line_id, 1])[line_id].reactions == {"🍕": 2, "❤": 1}
        assert 1 not in scroll.lines([1])  # of another conversation


def test_nothing_said_yet_comes_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    with Transcript.open(path, fresh=True, seed=1, now=AT):
        pass
    with Scroll.open(path, 1) as scroll:
        assert scroll.ends() == (None, None)
        page = scroll.before(None, 10)
        assert (page.lines, page.more_before, page.more_after) == ([], False, False)
        figures = Figures(scroll.database, 1)
        assert figures.spoken().lines_by_hour == figures.most_liked() == figures.silences() == []


@pytest.mark.parametrize(("percent", "found"), [(0, 1), (20, 1), (50, 3), (99, 5), (100, 5)])
def test_a_percentile_is_one_of_the_values(percent: float, found: float) -> None:
    assert percentile([1, 2, 3, 4, 5], percent) == found
    assert percentile([], percent) is None


def test_shares_name_those_who_are_here_and_those_who_were() -> None:
    assert turn_shares({"Dex": 1, "Gone": 3}, {"Dex": 30, "Juno": 0}) == [
        {"name": "Dex", "here": 0.25, "export": 1.0},
        {"name": "Juno", "here": 0.0, "export": None},
        {"name": "Gone", "here": 0.75, "export": None},
    ]
    assert turn_shares({}, {}) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"friends": 5}', '{"friends": [{}]}'])
def test_an_odd_evaluation_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "evaluation.json").write_text(text)
    assert evaluated(tmp_path) == frozenset()


def test_commands_are_shown_as_they_are_written() -> None:
    assert command("mute", "/mute Dex: Dex is silent") == {
        "name": "mute", "help": "Dex is silent", "usage": "/mute Dex",
    }  # fmt: skip
    assert command("why", "why it was said; /why 12 for another: so")["usage"] == "/why"
