"""Why a line was said, or why nobody talks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import OrchestratorError
from orchestrator.transcript import Transcript, TranscriptLine
from orchestrator.transcript.explain import explain, in_one_sentence, wanted_line

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Transcript]:
    with Transcript.open(tmp_path / "t.sqlite", fresh=True, seed=7, now=NOW) as opened:
        yield opened


def said(show: Transcript, *line: Any, at: datetime = NOW, to: int | None = None) -> TranscriptLine:
    """Adds a line and gives it back as it is read."""
    speaker, kind, text, why = line
    found = show.line(show.add(speaker, kind, text, why, at, to))
    assert found is not None
    return found


def weight(share: float, **factors: float) -> dict[str, float]:
    usual = {"learnt": 0.3, "talkativeness": 1.0, "mention": 1.0, "rest": 1.0, "hour": 1.0}
    return {"share": share, **usual, **factors}


def whole_turn(answers: int) -> dict[str, Any]:
    return {
        "speaker": "Dex", "source": "line", "phrase": "the tuba", "phrase_from": answers,
        "phrases": [{"phrase": "the tuba", "weight": 2.0}, {"phrase": "a goose", "weight": 1.0}],
        "begin_with_phrase": True, "answers": answers, "lines": [answers, answers + 1],
        "seed": 11, "chosen_because": "drawn at 61%",
        "weights": {
            "Dex": weight(0.61, learnt=0.8, rest=2.0), "Juno": weight(0.30, talkativeness=0.4),
            "Marlow": weight(0.09, learnt=0.05, mention=4.0),
        },
    }  # fmt: skip


WHOLE = {
    "attempts": [
        [{"text": "BAD", "verdict": "banned word: BAD", "score": -1.5}],
        [
            {"text": "a tuba!", "verdict": "too near to 'tuba'", "score": -1.2},
            {"text": "the tuba ate it", "verdict": "fit", "score": -2.25},
            {"text": "no idea", "verdict": "fit", "score": -3.0},
        ],
    ],
    "sampling": {"n": 5, "temperature": 0.75, "top_p": 1.0, "max_tokens": 48},
    "model": {"name": "dex-124M", "hash": "0123456789abcdef", "url": "http://127.0.0.1:1"},
    "timings": {"generate_seconds": 1.26, "pause_seconds": 4.0},
}


def test_a_line_is_explained_from_its_turn_to_its_seconds(show: Transcript) -> None:
    asked = said(show, "Juno", "friend", "is that the tuba and a goose?", {})
    line = said(show, "Dex", "friend", "the tuba ate it", {"turn": whole_turn(asked.id), **WHOLE})
    assert explain(show, line).splitlines() == [
        'Dex said "the tuba ate it" (line 2, 2026-03-01 12:00:00).',
        "Why it was Dex's turn: drawn at 61%.",
        "The runner-up was Juno. The chances were:",
        "   61% Dex: often comes next here in the export, has not spoken for a while",
        "   30% Juno: is quiet",
        "    9% Marlow: seldom comes next here in the export, was named",
        'About: "the tuba", from line 1, Juno: "is that the tuba and a goose?", and the line was '
        "to begin with it.",
        'There was also: "a goose".',
        "Shown to the model: 2 lines, from line 1 on.",
        "4 candidates in 2 draws, in the order of preference:",
        '  "BAD" [-1.50]: dropped, banned word: BAD',
        """  "a tuba!" [-1.20]: dropped, too near to 'tuba\'""",
        '  "the tuba ate it" [-2.25]: said',
        '  "no idea" [-3.00]: not needed',
        "Drawn with seed 11: temperature 0.75, 48 tokens at most.",
        "Model: dex-124M, hash 0123456789ab, http://127.0.0.1:1.",
        "It took 1.3 s to write it and 4.0 s of pause.",
    ]
    assert in_one_sentence(show, line) == (
        'Dex said "the tuba ate it": drawn at 61%; about "the tuba".'
    )


def test_why_a_likelier_line_stands_behind_is_told(show: Transcript) -> None:
    attempts = [
        [
            {"text": "the tuba ate it", "verdict": "fit", "score": -2.5, "made_up_words": 0},
            {"text": "a tubal", "verdict": "fit", "score": -1.5, "made_up_words": 1},
            {"text": "a tubal gooster", "verdict": "fit", "score": -1.0, "made_up_words": 2},
            {"text": "BAD tubal", "verdict": "banned word: BAD", "score": -1.0, "made_up_words": 1},
        ]
    ]
    line = said(show, "Dex", "friend", "the tuba ate it", {"attempts": attempts})
    assert explain(show, line).splitlines()[2:] == [
        '  "the tuba ate it" [-2.50]: said',
        '  "a tubal" [-1.50]: not needed, with 1 made-up word',
        '  "a tubal gooster" [-1.00]: not needed, with 2 made-up words',
        '  "BAD tubal" [-1.00]: dropped, banned word: BAD',
    ]
    attempts[0] = attempts[0][1:]
    line = said(show, "Dex", "friend", "a tubal", {"attempts": attempts})
    assert '  "a tubal" [-1.50]: said, with 1 made-up word' in explain(show, line)


def test_what_came_after_a_line_is_told(show: Transcript) -> None:
    line = said(show, "Dex", "friend", "tuba", {})
    show.posted(line.id, "web", "m1")
    show.add_reaction("web", "m1", "Sam", "👍", NOW)
    show.replace_text(line.id, "no tuba", None, NOW)
    show.unsay(line.id)
    (changed,) = show.lines()
    assert explain(show, changed).splitlines()[1:] == [
        'It was changed at 12:00:00 from "tuba".', "It was taken back.", "Sam put 👍 to it.",
    ]  # fmt: skip


def test_nobody_talks_and_why_is_counted(show: Transcript) -> None:
    said(show, "Juno", "friend", "hello", {})
    for speaker, reason in (("Dex", "it cannot be reached"), ("Ana", "no candidate was fit.")):
        for _ in range(2):
            last = said(show, speaker, "silence", "", {"reason": reason})
    lines = explain(show, last).splitlines()
    assert lines[:2] == [
        f"Ana stayed silent (line {last.id}, 2026-03-01 12:00:00).",
        "Why: no candidate was fit.",
    ]
    assert lines[2:] == [
        "No friend has spoken for 4 turns:",
        "  2 times Ana: no candidate was fit", "  2 times Dex: it cannot be reached",
    ]  # fmt: skip
    assert wanted_line(show, "last") == last
    assert in_one_sentence(show, last) == "Ana stayed silent; no candidate was fit."
    notice = said(show, "", "notice", "Nobody speaks: it is night.", {"reason": "it is night"})
    assert wanted_line(show, "LAST") == notice
    assert "Why: it is night." in explain(show, notice)


def test_a_person_learns_who_answered_and_who_could_not(show: Transcript) -> None:
    asked = said(show, "Sam", "person", "Dex?", {"addressed": ["Dex"]})
    assert explain(show, asked).splitlines()[1:] == [
        "Sam addressed Dex.",
        "Nobody has answered it yet, and nothing has happened since: the show is thinking, paused "
        "or over.",
    ]
    waits = {"turn": {"answers": asked.id}, "reason": "it is busy"}
    said(show, "Dex", "silence", "", waits)
    said(show, "Ana", "friend", "something else", {})
    assert explain(show, asked).splitlines()[2:] == [
        "Dex was to answer (line 2), but it is busy.",
        "Nobody has answered it yet, though friends have said 1 line since.",
    ]
    said(show, "Dex", "friend", "here", {}, to=asked.id)
    assert explain(show, asked).splitlines()[-1] == 'Dex answered "here" (line 4).'


def test_a_line_that_is_let_go_says_so(show: Transcript) -> None:
    asked = said(show, "Sam", "person", "well", {})
    said(show, "", "silence", "", {"reason": "the dice let it pass"}, to=asked.id)
    assert explain(show, asked).splitlines()[1:] == ["Nobody answers it: the dice let it pass."]


def test_a_command_says_what_it_did(show: Transcript) -> None:
    line = said(show, "Sam", "command", "/topic tea", {"name": "topic", "answer": "Next: tea."})
    assert explain(show, line).splitlines() == [
        'Sam gave the command "/topic tea" (line 1, 2026-03-01 12:00:00).',
        "The show answered: Next: tea.",
    ]


def test_a_line_is_found_by_its_number_only_if_it_is_there(show: Transcript) -> None:
    with pytest.raises(OrchestratorError, match="Nobody has said anything yet"):
        wanted_line(show, "last")
    line = said(show, "Dex", "friend", "hi", {})
    assert wanted_line(show, f"#{line.id}") == line
    for which in ("2", "9" * 18, "9" * 40):
        with pytest.raises(OrchestratorError, match="There is no line"):
            wanted_line(show, which)
    for which in ("two", "", "-1", "²"):
        with pytest.raises(OrchestratorError, match="is no line; give its number, or: last"):
            wanted_line(show, which)


def test_a_model_cannot_move_the_cursor(show: Transcript) -> None:
    attempts = [[{"text": "\x1b[2J\r\n", "verdict": "fit"}]]
    line = said(show, "Dex", "friend", "\x1b[2J\x07", {"attempts": attempts})
    assert all(c.isprintable() or c == "\n" for c in explain(show, line))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
TURN = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("chosen_because", "weights", "source", "phrase", "phrase_from", "phrases", "answers",
         "begin_with_phrase", "lines", "seed"), JSON),
)  # fmt: skip
REASONS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("attempts", "sampling", "model", "timings", "reason", "addressed", "answer"), JSON
    )
    | {"turn": TURN | JSON},
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(why=REASONS, kind=st.sampled_from(["friend", "person", "silence", "command", "notice"]))
def test_any_reason_is_explained_however_odd(
    show: Transcript, why: dict[str, Any], kind: str
) -> None:
    line = said(show, "Dex", kind, "hi", why)
    assert explain(show, line).startswith(("Dex ", "The show "))
    assert "\n" not in in_one_sentence(show, line)
