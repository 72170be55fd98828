"""What `stats` tells: figures that can be checked by hand, words, pictures."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from finetune.cleaning import RULES, CleanLine
from finetune.dataset import CleanCorpus, sessions
from finetune.inspection import (
    POOL_TOKENS,
    inspect,
    is_enough,
    overview,
    typical_words,
    who_answers_whom,
)
from model_server.checkpoint_format import Codec
from tests.conftest import ROOT, botconvo_here, run_botconvo

START = datetime(2024, 1, 1, 20, tzinfo=UTC)
BASE = ROOT / "orchestrator" / "demo" / "base"


def line(person: str, text: str, minute: float, key: str = "", answers: str = "") -> CleanLine:
    sent_at = START + timedelta(minutes=minute)
    return CleanLine(0, "chat", person, sent_at, text, 1, key or None, answers or None)


TALK = (
    line("Ada", "soup or salad today?", 0, "1"),
    line("Bo", "soup", 1, "2"),
    line("Cy", "salad, always salad", 2, "3", "1"),
    line("Cy", "or cake", 2.5, "4"),
    line("Ada", "soup it is", 3, "5", "2"),
    line("Bo", "hours later: soup", 200, "6"),
)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.read(BASE)


def test_a_chat_and_a_friend_are_told_in_figures() -> None:
    found = tuple(sessions(TALK))
    chat, bo = overview("chat", found), overview("Bo", found, "Bo")
    assert (chat.messages, chat.words, chat.conversations) == (6, 16, 2)
    assert chat.people == {"Ada": 2, "Bo": 2, "Cy": 2}
    assert (bo.messages, bo.words, bo.median_length, bo.conversations) == (2, 4, 10.5, 2)
    assert bo.hours == tuple(1 if hour in (20, 23) else 0 for hour in range(24))
    assert (bo.first, bo.last) == (TALK[1].sent_at, TALK[5].sent_at)


def test_a_reply_counts_for_whom_it_names_and_other_lines_for_who_spoke_before() -> None:
    assert who_answers_whom(sessions(TALK)) == {
        "Ada": {"Bo": 1}, "Bo": {"Ada": 1}, "Cy": {"Ada": 1},
    }  # fmt: skip


def test_typical_words_are_those_that_the_others_do_not_say() -> None:
    lines = {
        "Ada": [line("Ada", "we talk about soup and croissants", 0)] * 20,
        "Bo": [line("Bo", "we talk about soup and bicycles", 0)] * 20,
    }
    typical = typical_words(lines)
    assert typical == {"Ada": ["croissants"], "Bo": ["bicycles"]}


def test_typical_words_follow_the_published_formula() -> None:
    lines = {"A": [line("A", "aaa " * 6 + "bbb " * 4, 0)], "B": [line("B", "aaa bbb " * 5, 0)]}
    # delta = log((y + a) / (n + A - y - a)) of both, over sqrt of the variances.
    prior = 500.0 * 11 / 20
    own, there = 6 + prior, 5 + prior
    score = math.log(own / (510 - own)) - math.log(there / (510 - there))
    assert score / math.sqrt(1 / own + 1 / there) > 0
    assert typical_words(lines) == {"A": ["aaa"], "B": ["bbb"]}


def test_alone_nobody_has_typical_words() -> None:
    assert typical_words({"Ada": [TALK[0]]}) == {"Ada": []}


def test_too_little_to_pool_enough_to_pool_and_plenty_are_told_apart(codec: Codec) -> None:
    few = [line("Bo", "soup", n) for n in range(20)]
    some = [line("Bo", "a bowl of good soup, please", n) for n in range(POOL_TOKENS // 5)]
    much = some * 20
    assert [is_enough("Bo", lines, codec).way for lines in (few, some, much)] == [
        "not enough", "pooled first", "own model",
    ]  # fmt: skip
    assert "20 messages are too few" in is_enough("Bo", few, codec).advice
    assert "--pool" in is_enough("Bo", some, codec).advice
    assert "Risk of quoting Bo word for word: high" in is_enough("Bo", some, codec).advice
    assert "Risk of quoting Bo word for word: low" in is_enough("Bo", much, codec).advice


def test_the_figures_of_chats_friends_and_answers_agree(codec: Codec) -> None:
    corpus = CleanCorpus(tuple(sessions(TALK)))
    found = inspect(corpus, codec)
    assert sum(chat.messages for chat in found.chats) == len(TALK)
    assert sum(friend.messages for friend in found.friends) == len(TALK)
    assert [enough.friend for enough in found.enough] == ["Ada", "Bo", "Cy"]


def test_stats_shows_threads_friends_and_whether_it_is_enough(corpus_file: Path) -> None:
    shown = botconvo_here("stats", "--corpus", corpus_file).stdout
    assert "  [1] The Wrong Sofa / general (34" in shown
    assert "      - Priya [" in shown
    assert "typical words     gerald" in shown
    assert "Marlow: pooled first; " in shown
    document = json.loads(botconvo_here("stats", "--corpus", corpus_file, "--json").stdout)
    assert document["usable"] == sum(chat["messages"] for chat in document["chats"])
    assert document["messages"] == document["usable"] + sum(document["dropped"].values())
    assert set(document["answers"]) == {"Marlow", "Priya", "Dex", "Juno"}


def test_stats_dropped_shows_every_rule_with_examples(corpus_file: Path) -> None:
    done = botconvo_here("stats", "--dropped", "--corpus", corpus_file)
    for rule in RULES:
        assert f"\n{rule.name}: {rule.says}\n" in done.stdout
    assert "'!roll 1d20'" in done.stdout
    document = json.loads(
        botconvo_here("stats", "--dropped", "--corpus", corpus_file, "--json").stdout
    )
    assert document["read"] == document["kept"] + Counter(document["dropped"]).total()


def test_a_rule_that_is_switched_off_takes_nothing(corpus_file: Path) -> None:
    arguments = ("stats", "--json", "--corpus", corpus_file)
    usual = json.loads(botconvo_here(*arguments).stdout)
    without = json.loads(botconvo_here(*arguments, "--keep-rule", "bot-commands").stdout)
    assert without["usable"] == usual["usable"] + usual["dropped"]["bot-commands"]
    wrong = botconvo_here(*arguments, "--keep-rule", "bot-comands")
    assert wrong.returncode == 2
    assert "'bot-comands'; did you mean 'bot-commands'?" in wrong.stderr


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_the_pictures_are_drawn(corpus_file: Path, ending: str) -> None:
    path = Path(f"chat.{ending}")
    done = run_botconvo("stats", "--plot", path, "--corpus", corpus_file)
    assert done.returncode == 0, done.stderr
    data = path.read_bytes()
    if ending == "png":
        assert data.startswith(b"\x89PNG") and len(data) > 30_000
        return
    for title in ("Messages over time", "When people talk", "Who answers whom", "How long"):
        assert title.encode() in data
    for name in (b"Marlow", b"Priya", b"Dex", b"Juno"):
        assert name in data
    assert b"<svg" in data and b"http-equiv" not in data and b"<script" not in data


def test_a_picture_of_an_unknown_kind_is_refused_at_once(corpus_file: Path) -> None:
    done = botconvo_here("stats", "--plot", "chat.gif", "--corpus", corpus_file)
    assert done.returncode == 2
    assert "the name must end in .png, .svg or .html" in done.stderr
