"""Who speaks next, by what the export taught."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.talk.turn_taking import Habits, Member, TurnTaking

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FOLLOWS = {
    "Ada": {"Bo": 600, "Cy": 50, "Di": 50},
    "Bo": {"Ada": 500, "Cy": 80, "Di": 40},
    "Cy": {"Ada": 120, "Bo": 60, "Di": 20},
    "Di": {"Ada": 60, "Bo": 40, "Cy": 20},
}
"""Ada and Bo talk most, and mostly with each other."""


def members(**more: Habits) -> list[Member]:
    return [Member(n, habits=more.get(n, Habits(follows=f))) for n, f in FOLLOWS.items()]


def play(taking: TurnTaking, turns: int, able: tuple[str, ...] = tuple(FOLLOWS)) -> list[str]:
    speakers = []
    for minute in range(turns):
        now = NOON + timedelta(minutes=minute)
        speakers.append(taking.choose(able, (), now, by_person=False).name)
        taking.heard(speakers[-1])
    return speakers


def test_shares_of_turns_come_near_to_the_exports() -> None:
    counts = Counter(play(TurnTaking(members(), 0.0, random.Random(1)), 4000))
    total = sum(sum(f.values()) for f in FOLLOWS.values())
    for name, follows in FOLLOWS.items():
        assert counts[name] / 4000 == pytest.approx(sum(follows.values()) / total, abs=0.06)


def test_chaos_goes_from_the_export_to_anybody() -> None:
    def spread(chaos: float) -> int:
        counts = Counter(play(TurnTaking(members(), chaos, random.Random(1)), 2000))
        return max(counts.values()) - min(counts.values())

    assert spread(0.0) > spread(0.5) > spread(1.0)
    assert spread(1.0) < 100


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_nobody_goes_on_who_never_did_in_the_export(seed: int, chaos: float) -> None:
    speakers = play(TurnTaking(members(), chaos, random.Random(seed)), 60)
    assert all(a != b for a, b in itertools.pairwise(speakers))


def test_bursts_are_as_long_as_in_the_export() -> None:
    chatty = Habits(follows=FOLLOWS["Ada"], burst_mean=2.0, burst_max=3)
    speakers = play(TurnTaking(members(Ada=chatty), 0.0, random.Random(3)), 3000)
    runs = Counter((name, len(list(group))) for name, group in itertools.groupby(speakers))
    lengths = {length for name, length in runs if name == "Ada"}
    assert lengths == {1, 2, 3}
    assert {length for name, length in runs if name != "Ada"} == {1}


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_nobody_starves(seed: int, chaos: float) -> None:
    loner = Habits(follows={"Ada": 1})
    taking = TurnTaking(members(Di=loner), chaos, random.Random(seed))
    speakers = play(taking, 700)
    for name in FOLLOWS:
        places = [-1, *(place for place, s in enumerate(speakers) if s == name), len(speakers)]
        assert max(b - a for a, b in itertools.pairwise(places)) <= 204


def test_the_same_seed_gives_the_same_choices() -> None:
    first, second = (play(TurnTaking(members(), 0.3, random.Random(5)), 50) for _ in range(2))
    assert first == second


def test_weights_say_what_went_into_the_choice() -> None:
    taking = TurnTaking(members(), 0.0, random.Random(0))
    taking.heard("Ada")
    choice = taking.choose(tuple(FOLLOWS), ("Di",), NOON, by_person=False)
    assert set(choice.weights) == {"Bo", "Cy", "Di"}
    assert sum(weight.share for weight in choice.weights.values()) == pytest.approx(1)
    assert choice.weights["Di"].mention == 4.0
    assert choice.weights["Bo"].learnt > choice.weights["Cy"].learnt


def test_whoever_sleeps_at_this_hour_speaks_less() -> None:
    owl = Habits(follows=FOLLOWS["Ada"], hours=tuple(9 if hour < 4 else 1 for hour in range(24)))
    assert owl.hour_factor(2) == 2.0
    assert owl.hour_factor(12) == 0.5
    assert Habits().hour_factor(12) == 1.0
    assert owl.hour_factor(23) > owl.hour_factor(12)


@pytest.mark.parametrize(
    "statistics",
    [{}, {"follows": None, "burst": {}, "active_hours": [1, 2]}, {"line_length": {"median": 3}}],
)
def test_a_manifest_that_tells_little_gives_ordinary_habits(statistics: dict[str, object]) -> None:
    habits = Habits.of(statistics)
    assert (habits.follows, habits.burst_mean, habits.hours) == ({}, 1.0, ())
