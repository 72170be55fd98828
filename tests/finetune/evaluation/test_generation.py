"""Lines drawn through real model servers."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from finetune.cleaning import CleanLine
from finetune.errors import FinetuneError
from finetune.evaluation.generation import (
    HISTORY_LINES,
    SHOWN,
    Speaker,
    contexts,
    speak,
)
from model_server.checkpoint_format import Line
from orchestrator.settings import ConversationSettings, GenerationSettings

QUESTION = (Line("Dex", "did you feed the cat?"),)


def session(*people: str) -> tuple[CleanLine, ...]:
    time = datetime(2024, 1, 1, tzinfo=UTC)
    return tuple(CleanLine(n, "chat", person, time, f"line {n}") for n, person in enumerate(people))


def servers() -> list[int]:
    found = []
    for process in psutil.Process().children(recursive=True):
        if "model_server" in process.cmdline():
            found.append(process.pid)
    return found


def test_lines_are_drawn_as_the_show_draws_them() -> None:
    settings = GenerationSettings()
    assert SHOWN.model_dump(exclude_none=True) == {
        "n": settings.candidates,
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "top_k": settings.top_k,
        "top_p": settings.top_p,
    }
    assert (settings.repetition_penalty, settings.no_repeat_ngram) == (1.0, 0)
    assert ConversationSettings().history_lines == HISTORY_LINES


def test_a_context_shows_the_others_lines_only() -> None:
    found = [session("Ana", "Ben", "Ana", "Cem", "Ana"), session("Ana", "Ana")]
    made = contexts(found, "Ana", 4, random.Random(1))
    texts = [tuple(line.text for line in lines) for lines in made]
    # The two places where Ana answered come first, and then once more.
    assert sorted(texts[:2]) == [("line 1",), ("line 1", "line 3")]
    assert texts[2:] == texts[:2]
    assert all(line.speaker != "Ana" for lines in made for line in lines)


def test_places_where_a_friend_was_silent_come_after_those_where_they_spoke() -> None:
    made = contexts([session("Ben", "Cem", "Ana", "Ben", "Cem")], "Ana", 3, random.Random(1))
    assert len(made[0]) == 2
    assert len(set(made)) == 3


def test_no_context_at_all_still_lets_a_friend_speak() -> None:
    assert contexts([], "Ana", 2, random.Random(1)) == [(), ()]


def test_a_context_is_as_long_as_the_show_remembers() -> None:
    [lines] = contexts([session(*["Ben"] * 30, "Ana")], "Ana", 1, random.Random(1))
    assert [line.text for line in lines] == [f"line {n}" for n in range(30 - HISTORY_LINES, 30)]


def test_clones_speak_through_servers_that_are_gone_afterwards(checkpoints: Path) -> None:
    speakers = [
        Speaker(name, checkpoints / name.casefold(), [QUESTION] * 3) for name in ("Marlow", "Priya")
    ]
    heard: list[str] = []
    said = speak(speakers, 7, 2, heard.append)
    assert list(said) == ["Marlow", "Priya"]
    assert [len(lines) for lines in said.values()] == [3, 3]
    for one in (one for lines in said.values() for one in lines):
        # All candidates are counted, the one that was said and the others.
        assert len(one.verdicts) % 5 == 0
        assert (one.text is not None) == ("fit" in one.verdicts)
    assert sorted(heard) == ["Marlow has said 3 lines", "Priya has said 3 lines"]
    assert servers() == []
    assert speak(speakers, 7, 1, heard.append) == said


def test_a_checkpoint_that_cannot_be_served_is_said_in_one_sentence(tmp_path: Path) -> None:
    speakers = [Speaker("Ana", tmp_path, [QUESTION])]
    with pytest.raises(FinetuneError, match=r"Ana's model server did not start: .* no checkpoint"):
        speak(speakers, 1, 1, print)
    assert servers() == []
