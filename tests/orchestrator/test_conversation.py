"""Who speaks next, and from which prompt."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.conversation import Conversation, Member, SpokenLine
from orchestrator.settings import ConversationSettings

NAMES = ("Ada", "Bo", "Cy", "Di")


def conversation(*members: Member, seed: int = 0, **settings: float) -> Conversation:
    people = members or tuple(Member(name) for name in NAMES)
    return Conversation(people, ConversationSettings(**settings), random.Random(seed))  # type: ignore[arg-type]  # numbers


def line(number: int, speaker: str, text: str = "soup", person: bool = False) -> SpokenLine:
    return SpokenLine(number, speaker, text, by_person=person, phrases=tuple(text.split()))


def play(talk: Conversation, turns: int) -> list[str]:
    """Speakers of so many turns in which everybody says something of their own."""
    speakers = []
    for number in range(turns):
        turn = talk.next_turn()
        assert turn is not None
        speakers.append(turn.speaker)
        talk.heard(line(number, turn.speaker, f"word{number} of {turn.speaker}"))
    return speakers


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_a_bot_never_answers_itself(seed: int, chaos: float) -> None:
    speakers = play(conversation(seed=seed, chaos=chaos), 40)
    assert all(a != b for a, b in itertools.pairwise(speakers))


def test_everybody_gets_a_turn() -> None:
    # Odds that one of four equal speakers is left out of 60 turns: below 1e-6.
    assert set(play(conversation(), 60)) == set(NAMES)


def test_the_same_seed_gives_the_same_turns() -> None:
    def turns(seed: int) -> list[tuple[object, ...]]:
        talk, found = conversation(seed=seed), []
        for number in range(20):
            turn = talk.next_turn()
            assert turn is not None
            found.append((turn.speaker, turn.phrase, turn.seed, turn.source))
            talk.heard(line(number, turn.speaker, f"word{number} more{number}"))
        return found

    assert turns(1) == turns(1)
    assert turns(1) != turns(2)


def test_whom_a_person_names_answers_next_to_the_point() -> None:
    for seed in range(20):
        talk = conversation(seed=seed, fresh_prompt_chance=1.0)
        play(talk, 3)
        talk.heard(line(99, "You", "cy, pizza", person=True))
        turn = talk.next_turn()
        assert turn is not None
        assert (turn.speaker, turn.source, turn.answers) == ("Cy", "person", 99)
        assert turn.phrase == "pizza"
        assert turn.lines[-1].id == 99


def test_all_whom_a_person_names_answer_in_turn() -> None:
    talk = conversation()
    talk.heard(line(1, "You", "di and ada, pizza or soup?", person=True))
    speakers = []
    for _ in range(2):
        turn = talk.next_turn()
        assert turn is not None
        assert turn.source == "person"
        speakers.append(turn.speaker)
    assert speakers == ["Di", "Ada"]
    assert not talk.has_waiting


def test_a_name_inside_a_word_is_no_name() -> None:
    talk = conversation(Member("Al", aliases=("Big Al",)), Member("Bo"))
    assert talk.named_in("also the bottle") == []
    assert talk.named_in("BO and big al!") == ["Bo", "Al"]


def test_a_person_goes_before_everything_else_and_is_answered_once() -> None:
    talk = conversation()
    talk.wish("holidays")
    talk.heard(line(1, "You", "anybody there", person=True))
    sources = []
    for number in range(2, 5):
        turn = talk.next_turn()
        assert turn is not None
        sources.append(turn.source)
        talk.heard(line(number, turn.speaker, f"l{number}"))
    assert sources[:2] == ["person", "topic"]
    assert "person" not in sources[2:]


def test_a_person_whom_nobody_could_answer_is_asked_for_again_then_let_go() -> None:
    talk = conversation()
    talk.heard(line(1, "You", "cy?", person=True))
    speakers = []
    for _ in range(3):
        turn = talk.next_turn()
        assert turn is not None
        assert turn.source == "person"
        speakers.append(turn.speaker)
        talk.unanswered(turn)
    assert speakers[:2] == ["Cy", "Cy"]
    assert not talk.has_waiting


def test_a_bots_mention_weighs_and_does_not_decide() -> None:
    counts: Counter[str] = Counter()
    for seed in range(600):
        talk = conversation(seed=seed, chaos=1.0)
        talk.heard(line(1, "Ada", "what does Di think"))
        turn = talk.next_turn()
        assert turn is not None
        counts[turn.speaker] += 1
    # Di has weight 4 of 6; 600 draws leave 0.55 to 0.78 with odds below 1e-8.
    assert 330 < counts["Di"] < 470
    assert set(counts) == {"Bo", "Cy", "Di"}


def test_the_export_says_who_follows_whom() -> None:
    members = (Member("Ada"), Member("Bo", follows={"Ada": 900}), Member("Cy", follows={"Bo": 900}))
    counts: Counter[str] = Counter()
    for seed in range(300):
        talk = conversation(*members, seed=seed, chaos=0.0)
        talk.heard(line(1, "Ada", "x"))
        turn = talk.next_turn()
        assert turn is not None
        counts[turn.speaker] += 1
    assert counts["Bo"] > 280


def test_a_silent_friend_speaks_only_when_asked() -> None:
    members = (Member("Ada"), Member("Bo"), Member("Cy", talkativeness=0.0))
    talk = conversation(*members)
    assert "Cy" not in play(talk, 50)[1:]
    talk.heard(line(99, "You", "and you, cy?", person=True))
    turn = talk.next_turn()
    assert turn is not None
    assert turn.speaker == "Cy"


def test_a_muted_friend_stays_out_and_with_all_muted_nobody_speaks() -> None:
    talk = conversation()
    talk.muted |= {"Ada", "Bo", "Cy"}
    assert set(play(talk, 5)) == {"Di"}
    talk.muted.add("Di")
    assert talk.next_turn() is None


@pytest.mark.parametrize(
    ("settings", "source"),
    [
        ({"fresh_prompt_chance": 1.0}, "fresh"),
        ({"fresh_prompt_chance": 0.0, "bot_prompt_chance": 1.0}, "line"),
        ({"fresh_prompt_chance": 0.0, "bot_prompt_chance": 0.0}, "free"),
    ],
)
def test_the_chances_choose_the_prompt(settings: dict[str, float], source: str) -> None:
    talk = conversation(**settings)
    talk.heard(line(1, "Ada", "the walrus moved"))
    turn = talk.next_turn()
    assert turn is not None
    assert turn.source == source
    assert bool(turn.lines) == (source != "fresh")
    assert bool(turn.phrase) == (source == "line")


def test_a_wished_friend_begins_with_the_topic() -> None:
    talk = conversation()
    talk.wish("pizza", "Di")
    turn = talk.next_turn()
    assert turn is not None
    assert (turn.speaker, turn.phrase, turn.begin_with_phrase) == ("Di", "pizza", True)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("the walrus moved again.", True),
        ("The walrus moved AGAIN", True),
        ("the walrus moved again...", True),
        ("the walruss moved again", True),
        ("i fed the cat", False),
    ],
)
def test_what_was_just_said_is_known_again(text: str, near: bool) -> None:
    talk = conversation()
    talk.heard(line(1, "Ada", "the walrus moved again"))
    assert (talk.is_too_near(text) is not None) == near


def test_a_line_taken_back_is_forgotten() -> None:
    talk = conversation()
    talk.heard(line(1, "Ada", "one"))
    talk.heard(line(2, "Bo", "two"))
    talk.unsay(2)
    assert talk.last_line is not None
    assert talk.last_line.id == 1
