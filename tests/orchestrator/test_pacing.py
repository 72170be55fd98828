"""How long a line lets wait for itself."""

from __future__ import annotations

import random
from statistics import fmean

from orchestrator.talk.pacing import Pacing, own_factors
from orchestrator.talk.turn_taking import Habits, Member


def test_long_lines_take_longer_to_read_and_to_type() -> None:
    pacing = Pacing(4.0)
    short = pacing.before("Ada", "hi", "hi", 1.0, random.Random(1))
    long = pacing.before("Ada", "x" * 200, "y" * 200, 1.0, random.Random(1))
    assert long.think == short.think + 198 / 40
    assert long.typing > 10 * short.typing


def test_the_slow_are_slower_but_not_by_minutes() -> None:
    members = {
        name: Member(name, habits=Habits(pause_seconds=seconds))
        for name, seconds in (("Ada", 5.0), ("Bo", 20.0), ("Cy", 900.0))
    }
    factors = own_factors(members)
    assert 0.5 == factors["Ada"] <= factors["Bo"] < factors["Cy"] <= 2.0
    rng = random.Random(2)
    pacing = Pacing(4.0, own=factors)
    thinks = {
        n: fmean(pacing.before(n, "", "", 1.0, rng).think for _ in range(400)) for n in members
    }
    assert thinks["Ada"] < thinks["Bo"] < thinks["Cy"] < 10
    assert own_factors({"Ada": Member("Ada")}) == {}


def test_fast_waits_for_nothing_and_no_pause_is_longer_than_the_longest() -> None:
    assert Pacing(4.0, fast=True).before("A", "x", "y", 1.0, random.Random(1)).think == 0
    assert Pacing(4.0, 30.0).before("A", "x", "y", 99.0, random.Random(1)).think == 30
