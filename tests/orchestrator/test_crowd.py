"""Friends keep quiet while people talk among themselves."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from orchestrator.settings import ConversationSettings, LimitSettings
from orchestrator.talk.conversation import MOST_WAITING, Conversation
from orchestrator.talk.limits import Rest
from orchestrator.talk.turn import SpokenLine, Turn
from orchestrator.talk.turn_taking import Member

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def conversation() -> Conversation:
    members = [Member(name) for name in ("Ada", "Bo", "Cy")]
    limits = LimitSettings(people_per_minute=4)
    return Conversation(members, ConversationSettings(), limits, random.Random(1))


def people_say(talk: Conversation, *lines: tuple[str, str], first: int = 1) -> datetime:
    """A line every second from `NOON` on; returns the time of the last one."""
    for number, (author, text) in enumerate(lines, first):
        at = NOON + timedelta(seconds=number)
        talk.heard(SpokenLine(number, author, text, at, by_person=True))
    return NOON + timedelta(seconds=first + len(lines) - 1)


def test_nobody_breaks_into_a_talk_of_people_until_it_is_over() -> None:
    talk = conversation()
    now = people_say(talk, ("Sam", "lunch?"), ("Kim", "yes"), ("Sam", "where"), ("Kim", "there"))
    assert {line_id for line_id, _ in talk.let_go} == {1, 2, 3, 4}
    rest = talk.next_turn(now)
    assert isinstance(rest, Rest)
    assert rest.until == NOON + timedelta(seconds=61)
    assert not rest.is_told
    assert isinstance(talk.next_turn(NOON + timedelta(seconds=61)), Turn)


def test_whoever_names_a_friend_in_a_crowd_is_answered_by_them() -> None:
    talk = conversation()
    people_say(talk, ("Sam", "lunch?"), ("Kim", "yes"), ("Sam", "where"), ("Kim", "there"))
    now = people_say(talk, ("Kim", "cy, do you eat?"), first=5)
    turn = talk.next_turn(now)
    assert isinstance(turn, Turn)
    assert (turn.speaker, turn.source, turn.answers) == ("Cy", "person", 5)
    talk.heard(SpokenLine(6, "Cy", "soup", now), turn=turn)
    assert isinstance(talk.next_turn(now), Rest)


def test_one_person_who_says_much_is_no_crowd() -> None:
    talk = conversation()
    now = people_say(talk, *[("Sam", f"so {number}") for number in range(6)])
    turn = talk.next_turn(now)
    assert isinstance(turn, Turn)
    assert turn.answers == 1


def test_of_very_many_lines_the_first_wait_and_the_others_are_let_go_with_the_reason() -> None:
    talk = conversation()
    people_say(talk, *[("Sam", f"bo, {number}") for number in range(MOST_WAITING + 7)])
    assert talk.people_waiting == MOST_WAITING
    assert [line_id for line_id, _ in talk.let_go] == list(
        range(MOST_WAITING + 1, MOST_WAITING + 8)
    )
    assert {reason for _, reason in talk.let_go} == {"50 other lines were waiting for an answer"}


def test_lines_of_a_minute_ago_make_no_crowd() -> None:
    talk = conversation()
    people_say(talk, ("Sam", "a"), ("Kim", "b"), ("Sam", "c"))
    late = SpokenLine(9, "Kim", "d", NOON + timedelta(minutes=2), by_person=True)
    talk.heard(replace(late))
    assert talk.let_go == []
