"""What the figures of a friend come to."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from finetune.cli import build_parser
from finetune.evaluation.figures import Score, proportion
from finetune.evaluation.likeness import Likeness, Recognised
from finetune.evaluation.text_measures import Copying, Diversity
from finetune.evaluation.verdict import Figures, verdict


def recognised(hits: int) -> Recognised:
    share = proportion(hits, 100)
    return Recognised(share, {"Ana": share}, {"Ana": {"Ana": hits, "Ben": 100 - hits}})


def figures(
    *, alike: int = 90, copied: int = 0, personal: float = 2.0, pooled: float = 2.1
) -> Figures:
    return Figures(
        friend="Ana",
        messages=800,
        personal=Score(personal, 50, 2000),
        pooled=Score(pooled, 50, 2000),
        base=Score(2.5, 50, 2000),
        copied=Copying(100, 100, copied, proportion(copied, 100), 3.0, ""),
        copied_by_real=Copying(100, 100, 1, proportion(1, 100), 2.0, ""),
        said=None,
        said_by_real=None,
        likeness=Likeness(
            {"Ana": 1, "Ben": 1}, 0.5, recognised(95), recognised(alike), proportion(alike, 100)
        ),
    )


def test_a_good_clone_is_left_as_it_is() -> None:
    found = verdict(figures())
    assert (found.sounds_alike, found.learning) == (True, "learns")
    assert found.advice == "Leave it as it is."


def test_a_clone_that_quotes_is_trained_less() -> None:
    found = verdict(figures(copied=20))
    assert found.learning == "memorises"
    assert "fewer --epochs" in found.advice
    assert "800 are few" in found.advice


def test_a_few_copies_may_be_chance() -> None:
    assert verdict(figures(copied=4)).learning == "learns"


def test_a_clone_that_sounds_like_another_is_trained_more() -> None:
    found = verdict(figures(alike=40))
    assert found.sounds_alike is False
    assert "Most others sound like Ben" in found.sentences[0]
    assert "more --epochs" in found.advice


def test_a_clone_that_knows_less_than_its_base_has_not_learnt() -> None:
    found = verdict(figures(personal=2.6))
    assert found.learning == "has not learnt"
    assert "lower --rate" in found.advice


def test_advice_can_be_followed_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """It once named `--keep best`, which had become a number of weights."""
    advice = " ".join(
        verdict(found).advice
        for found in (
            figures(copied=20),
            figures(alike=40),
            figures(personal=2.6),
            figures(pooled=1.8),
        )
    )
    wishes = re.findall(r"(--[\w-]+)(?: (best|last|\d+))?", advice)
    assert {option for option, _ in wishes} == {"--epochs", "--no-early-stop", "--pool", "--rate"}
    assert not any(value for _, value in wishes)
    with pytest.raises(SystemExit):
        build_parser().parse_args(["train", "--help"])
    known = capsys.readouterr().out
    assert all(option in known for option, _ in wishes)


def test_a_better_pooled_model_is_said() -> None:
    assert "pooled model knows this friend" in verdict(figures(pooled=1.8)).advice


def test_a_dull_clone_is_told_so() -> None:
    real = Diversity(100, (0.5, 0.9, 1.0), 0.01, 8.0, 40.0)
    found = verdict(replace(figures(), said=replace(real, repeats=0.3), said_by_real=real))
    assert found.sentences[-1].startswith("Repeats itself: 30% of its lines")
    assert "temperature" in found.advice


def test_what_was_not_measured_is_not_judged() -> None:
    found = verdict(replace(figures(), personal=None, likeness=None, copied=None))
    assert (found.sounds_alike, found.learning) == (None, "cannot tell")
    assert "two friends" in found.sentences[0]
