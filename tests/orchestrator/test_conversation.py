"""Who speaks next, and from which prompt."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.phrases import Phrase, load_picker
from orchestrator.settings import ConversationSettings, LimitSettings
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.limits import Rest
from orchestrator.talk.turn import SpokenLine, Turn
from orchestrator.talk.turn_taking import Habits, Member
from orchestrator.talk.waiting import TRIES

NAMES = ("Ada", "Bo", "Cy", "Di")
WORDS = load_picker("", "xx")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def conversation(
    *members: Member, seed: int = 0, limits: LimitSettings | None = None, **settings: float
) -> Conversation:
    """Without limits unless some are given."""
    people = members or tuple(Member(name) for name in NAMES)
    chosen = ConversationSettings(**settings)  # type: ignore[arg-type]  # numbers
    is_limited = limits is not None
    bounds = limits or LimitSettings()
    return Conversation(people, chosen, bounds, random.Random(seed), is_limited=is_limited)


def line(number: int, speaker: str, text: str = "soup", person: bool = False) -> SpokenLine:
    phrases = tuple(Phrase(word) for word in text.split())
    return SpokenLine(number, speaker, text, NOON, by_person=person, phrases=phrases)


def next_turn(talk: Conversation, able: Collection[str] | None = None) -> Turn:
    turn = talk.next_turn(NOON, able)
    assert isinstance(turn, Turn), turn
    return turn


def play(talk: Conversation, turns: int, first: int = 0) -> list[str]:
    """Speakers of so many turns in which everybody says something of their own."""
    speakers = []
    for number in range(first, first + turns):
        turn = next_turn(talk)
        speakers.append(turn.speaker)
        talk.heard(line(number, turn.speaker, f"word{number} of number{number}"), turn=turn)
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
            turn = next_turn(talk)
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
        turn = next_turn(talk)
        assert (turn.speaker, turn.source, turn.answers) == ("Cy", "person", 99)
        assert turn.phrase == "pizza"
        assert turn.lines[-1].id == 99


def test_all_whom_a_person_names_answer_in_turn() -> None:
    talk = conversation()
    talk.heard(line(1, "You", "di and ada, pizza or soup?", person=True))
    speakers = []
    for _ in range(2):
        turn = next_turn(talk)
        assert turn.source == "person"
        speakers.append(turn.speaker)
    assert speakers == ["Di", "Ada"]
    assert not talk.has_waiting


def test_a_name_inside_a_word_is_no_name() -> None:
    talk = conversation(Member("Al", aliases=("Big Al",)), Member("Bo"))
    assert talk.names.named_in("also the bottle") == []
    assert talk.names.named_in("BO and big al!") == ["Bo", "Al"]


def test_a_person_goes_before_everything_else_and_is_answered_once() -> None:
    talk = conversation()
    talk.wish("holidays")
    talk.heard(line(1, "You", "anybody there", person=True))
    sources = []
    for number in range(2, 5):
        turn = next_turn(talk)
        sources.append(turn.source)
        talk.heard(line(number, turn.speaker, f"l{number}"))
    assert sources[:2] == ["person", "wish"]
    assert "person" not in sources[2:]


def test_a_person_whom_nobody_could_answer_is_asked_for_again_then_let_go() -> None:
    talk = conversation()
    talk.heard(line(1, "You", "cy?", person=True))
    speakers = []
    while talk.has_waiting:
        turn = next_turn(talk)
        assert turn.source == "person"
        speakers.append(turn.speaker)
        assert talk.unanswered(turn) == (len(speakers) < TRIES)
    assert speakers[:2] == ["Cy", "Cy"]
    assert sorted(speakers[2:]) == ["Ada", "Bo", "Di"]


def test_a_bots_mention_weighs_and_does_not_decide() -> None:
    counts: Counter[str] = Counter()
    for seed in range(600):
        talk = conversation(seed=seed, chaos=1.0)
        talk.heard(line(1, "Ada", "what does Di think"))
        turn = next_turn(talk)
        counts[turn.speaker] += 1
    # Di has weight 4 of 6; 600 draws leave 0.55 to 0.78 with odds below 1e-8.
    assert 330 < counts["Di"] < 470
    assert set(counts) == {"Bo", "Cy", "Di"}


def test_the_export_says_who_follows_whom() -> None:
    members = (
        Member("Ada"),
        Member("Bo", habits=Habits(follows={"Ada": 900})),
        Member("Cy", habits=Habits(follows={"Bo": 900})),
    )
    counts: Counter[str] = Counter()
    for seed in range(300):
        talk = conversation(*members, seed=seed, chaos=0.0)
        talk.heard(line(1, "Ada", "x"))
        turn = next_turn(talk)
        counts[turn.speaker] += 1
    assert counts["Bo"] > 280


def test_a_silent_friend_speaks_only_when_asked() -> None:
    members = (Member("Ada"), Member("Bo"), Member("Cy", talkativeness=0.0))
    talk = conversation(*members)
    assert "Cy" not in play(talk, 50)[1:]
    talk.heard(line(99, "You", "and you, cy?", person=True))
    turn = next_turn(talk)
    assert turn.speaker == "Cy"


def test_a_muted_friend_stays_out_and_with_all_muted_nobody_speaks() -> None:
    talk = conversation()
    talk.muted |= {"Ada", "Bo", "Cy"}
    assert set(play(talk, 5)) == {"Di"}
    talk.muted.add("Di")
    assert talk.next_turn(NOON) == Rest("everybody is muted")


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
    turn = next_turn(talk)
    assert turn.source == source
    assert bool(turn.lines) == (source != "fresh")
    assert bool(turn.phrase) == (source == "line")


def test_a_wished_friend_begins_with_the_topic() -> None:
    talk = conversation()
    talk.wish("pizza", "Di")
    turn = next_turn(talk)
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
    assert (talk.objection(text, next_turn(talk)) is not None) == near


def test_a_line_taken_back_is_forgotten() -> None:
    talk = conversation()
    talk.heard(line(1, "Ada", "one"))
    talk.heard(line(2, "Bo", "two"))
    talk.unsay(2)
    assert talk.last_line is not None
    assert talk.last_line.id == 1


@given(st.data())
def test_every_line_of_a_person_is_answered_once_and_in_order(data: st.DataObject) -> None:
    """Whatever else happens: people talk in bursts, topics are set, friends fail once."""
    talk = conversation(seed=data.draw(st.integers(0, 10**6)))
    asked: list[int] = []
    answered: list[int] = []
    number = 0
    for action in data.draw(st.lists(st.sampled_from("pppttaw"), max_size=30)) + ["t"] * 40:
        number += 1
        if action == "p":
            text = data.draw(st.sampled_from(["soup?", "nobody there", "so what now"]))
            talk.heard(line(number, "Sam", f"{text} {number}", person=True))
            asked.append(number)
        elif action == "a":
            talk.wish("pizza", data.draw(st.sampled_from(NAMES)))
        elif action == "w":
            talk.set_topic("tubas", 3)
        else:
            turn = next_turn(talk)
            if data.draw(st.integers(0, 5)) == 0 and talk.unanswered(turn):
                continue
            if turn.source == "person":
                assert turn.answers is not None
                answered.append(turn.answers)
            talk.heard(line(number, turn.speaker, f"word{number}"), turn=turn)
    for _ in range(200):
        if not talk.has_waiting:
            break
        turn = next_turn(talk)
        number += 1
        if turn.source == "person":
            assert turn.answers is not None
            answered.append(turn.answers)
        talk.heard(line(number, turn.speaker, f"word{number}"), turn=turn)
    assert answered == asked


def test_a_person_who_speaks_while_an_answer_fails_loses_nothing() -> None:
    talk = conversation()
    talk.heard(line(1, "Sam", "cy?", person=True))
    turn = next_turn(talk)
    talk.heard(line(2, "Kim", "bo?", person=True))
    assert talk.unanswered(turn)
    answers = []
    for number in (3, 4):
        turn = next_turn(talk)
        answers.append((turn.speaker, turn.answers))
        talk.heard(line(number, turn.speaker, f"word{number}"), turn=turn)
    assert answers == [("Cy", 1), ("Bo", 2)]


def test_whom_a_person_only_talks_about_is_not_addressed() -> None:
    talk = conversation()
    talk.heard(line(1, "Sam", "cy, tell bo that i won", person=True))
    assert next_turn(talk).speaker == "Cy"
    assert not talk.has_waiting


def test_somebody_stands_in_for_an_addressed_friend_who_cannot_answer() -> None:
    talk = conversation()
    talk.heard(line(1, "Sam", "cy?", person=True))
    turn = next_turn(talk, {"Ada", "Bo"})
    assert turn.speaker in {"Ada", "Bo"}
    assert turn.source == "person"
    assert "Cy, who cannot answer" in turn.chosen_because
    assert talk.next_turn(NOON, set()) == Rest("no friend can answer")


def test_people_who_name_nobody_are_answered_as_often_as_the_settings_say() -> None:
    answered = 0
    for seed in range(300):
        talk = conversation(seed=seed, human_prompt_chance=0.5)
        talk.heard(line(1, "Sam", "nice weather", person=True))
        answered += next_turn(talk).source == "person"
        assert {line_id for line_id, _ in talk.let_go} <= {1}
    assert 100 < answered < 200
    talk = conversation(human_prompt_chance=0.0)
    talk.heard(line(1, "Sam", "cy, nice weather", person=True))
    assert next_turn(talk).source == "person"


def test_a_topic_is_certain_at_first_and_fades() -> None:
    taken: Counter[int] = Counter()
    for seed in range(200):
        talk = conversation(seed=seed)
        talk.set_topic("tubas", 5)
        for place in range(7):
            turn = next_turn(talk)
            taken[place] += turn.source == "topic" and turn.phrase == "tubas"
            talk.heard(line(place, turn.speaker, f"word{place}"), turn=turn)
        assert talk.topic == ""
    assert taken[0] == 200
    assert taken[0] > taken[2] > taken[4] > 0
    assert taken[5] == taken[6] == 0


def test_the_rarer_fresher_and_less_used_phrase_is_likelier() -> None:
    talk = conversation(fresh_prompt_chance=0.0, bot_prompt_chance=1.0)
    common, rare = Phrase("thing", 1.0), Phrase("walrus", 20.0)
    talk.heard(SpokenLine(1, "Ada", "that thing, the walrus", NOON, phrases=(common, rare)))
    turn = next_turn(talk)
    weights = {phrase.text: phrase.weight for phrase in turn.phrases}
    assert weights["walrus"] > 10 * weights["thing"]
    assert turn.phrase_from == 1
    talk.heard(
        SpokenLine(2, "Bo", "the walrus, that thing", NOON, phrases=(rare, common)), turn=turn
    )
    used = {phrase.text: phrase.weight for phrase in next_turn(talk).phrases}
    assert used[turn.phrase] < weights[turn.phrase]


def test_a_phrase_goes_round_no_more_than_so_often() -> None:
    limits = LimitSettings(phrase_rounds=3)
    talk = conversation(limits=limits, fresh_prompt_chance=0.0, bot_prompt_chance=1.0)
    walrus = (Phrase("walrus"),)
    for number, name in enumerate(("Ada", "Bo", "Cy"), 1):
        turn = next_turn(talk)
        assert talk.objection("oh no, a walrus", turn) is None
        text = f"walrus says {['a', 'tuba', 'soup'][number - 1]} {number * 111}"
        talk.heard(SpokenLine(number, name, text, NOON, phrases=walrus), turn=turn)
    turn = next_turn(talk)
    assert turn.phrase != "walrus"
    assert talk.objection("oh no, a walrus", turn) == "'walrus' has gone round in 3 lines"
    assert talk.objection("oh no, walruses", turn) is None
    talk.heard(SpokenLine(9, "Sam", "walrus?", NOON, by_person=True, phrases=walrus))
    turn = next_turn(talk)
    assert (turn.source, turn.phrase) == ("person", "walrus")
    assert talk.objection("oh no, a walrus", turn) is None


def test_a_line_taken_back_never_comes_again() -> None:
    talk = conversation()
    turn = next_turn(talk)
    talk.heard(line(1, "Ada", "the moon is my cousin"), turn=turn)
    talk.unsay(1)
    play(talk, 80, first=2)
    assert talk.objection("The moon is my cousin!", next_turn(talk)) == "was taken back"


def test_an_edited_question_is_answered_as_it_reads_now() -> None:
    talk = conversation()
    talk.heard(line(1, "Sam", "cy, piza?", person=True))
    talk.reworded(1, "cy, pizza?", WORDS)
    turn = next_turn(talk)
    assert (turn.lines[-1].text, turn.phrase) == ("cy, pizza?", "pizza")


def test_a_deleted_question_is_answered_by_nobody() -> None:
    talk = conversation()
    talk.heard(line(1, "Sam", "cy, pizza?", person=True))
    talk.unsay(1)
    assert not talk.has_waiting
    assert next_turn(talk).source == "fresh"


def test_after_a_restart_who_still_waits_is_answered() -> None:
    talk = conversation()
    lines = [line(1, "Ada", "one"), line(2, "Sam", "bo, soup?", person=True)]
    talk.resume(lines, waiting={2: ()})
    turn = next_turn(talk)
    assert (turn.speaker, turn.answers) == ("Bo", 2)
    talk.heard(line(3, "Bo", "three"), turn=turn)
    assert not talk.has_waiting


def test_friends_fall_silent_after_so_many_lines_and_wake_for_a_person() -> None:
    talk = conversation(limits=LimitSettings(lines_in_a_row=5))
    play(talk, 5)
    rest = talk.next_turn(NOON)
    assert isinstance(rest, Rest)
    assert rest.reason.startswith("5 lines in a row without a person")
    talk.heard(line(9, "Sam", "hello", person=True))
    assert next_turn(talk).source == "person"
    talk.heard(line(10, "Ada", "hey"), turn=next_turn(conversation()))
    assert isinstance(talk.next_turn(NOON), Turn)


def test_whoever_is_alone_waits_for_a_person_soon() -> None:
    talk = conversation(Member("Ada"), limits=LimitSettings(lines_alone=2))
    assert play(talk, 2) == ["Ada", "Ada"]
    assert isinstance(talk.next_turn(NOON), Rest)


def test_a_question_that_the_history_has_lost_is_still_shown_to_who_answers_it() -> None:
    talk = conversation()
    for number in range(1, 31):
        talk.heard(line(number, "Sam", f"cy, question {number}?", person=True))
    turn = next_turn(talk)
    assert (turn.answers, turn.lines[-1].id, len(turn.lines)) == (1, 1, 13)


def test_only_as_many_lines_are_shown_as_a_server_takes() -> None:
    talk = conversation(history_lines=200, fresh_prompt_chance=0.0)
    for number in range(1, 100):
        talk.heard(line(number, "Ada" if number % 2 else "Bo", f"{number:0500}"))
    turn = next_turn(talk)
    assert [shown.id for shown in turn.lines] == list(range(68, 100))


def test_whom_a_reply_meant_is_known_after_a_restart() -> None:
    talk = conversation()
    talk.resume([line(1, "Di", "one"), line(2, "Sam", "what?", person=True)], waiting={2: ("Di",)})
    turn = next_turn(talk)
    assert (turn.speaker, turn.chosen_because) == ("Di", "Sam addressed Di")


def test_whoever_speaks_only_when_asked_is_not_made_to_for_want_of_others() -> None:
    talk = conversation(Member("Ada"), Member("Bo", talkativeness=0.0))
    assert set(play(talk, 5)) == {"Ada"}
    talk = conversation(Member("Ada", talkativeness=0.0), Member("Bo", talkativeness=0.0))
    assert talk.next_turn(NOON) == Rest("those who are here speak only when asked")
    talk.heard(line(1, "Sam", "hello", person=True))
    assert next_turn(talk).source == "person"


def test_others_go_on_while_one_comes_to_nothing() -> None:
    talk = conversation()
    failed = set()
    for _ in range(3):
        turn = next_turn(talk)
        assert turn.speaker not in failed
        failed.add(turn.speaker)
        talk.unanswered(turn)


def test_what_is_a_repetition_is_as_set_also_without_limits() -> None:
    settings, rng = ConversationSettings(), random.Random(1)
    limits = LimitSettings(repeat_within_lines=1)
    talk = Conversation([Member("Ada")], settings, limits, rng, is_limited=False)
    talk.heard(line(1, "Ada", "the tuba is late"))
    turn = next_turn(talk)
    assert talk.objection("the tuba is late", turn)
    talk.heard(line(2, "Ada", "and so am i"))
    assert talk.objection("the tuba is late", turn) is None


def test_where_everybody_has_come_to_nothing_something_new_begins() -> None:
    talk = conversation(fresh_prompt_chance=0.0)
    talk.heard(line(1, "Ada"))
    for _ in talk.members:
        turn = next_turn(talk)
        assert turn.source != "fresh"
        talk.unanswered(turn)
    assert next_turn(talk).source == "fresh"
    talk.heard(line(2, "Bo", "tuba"))
    assert next_turn(talk).source != "fresh"


def test_a_command_wakes_friends_who_had_talked_enough() -> None:
    talk = conversation(limits=LimitSettings(lines_in_a_row=2))
    play(talk, 2)
    assert isinstance(talk.next_turn(NOON), Rest)
    talk.person_is_here()
    assert isinstance(talk.next_turn(NOON), Turn)


def test_a_line_that_reached_nobody_is_as_if_it_had_not_been_said() -> None:
    talk = conversation()
    talk.heard(line(1, "Sam", "cy and di, soup?", person=True))
    turn = next_turn(talk)
    talk.heard(line(2, "Cy", "soup is fine"), turn=turn)
    talk.unseen(2)
    assert talk.last_line is not None
    assert talk.last_line.id == 1
    again = next_turn(talk)
    assert (again.speaker, again.answers) == ("Cy", 1)
    assert talk.objection("soup is fine", again) is None
    talk.heard(line(3, "Cy", "soup is fine"), turn=again)
    assert next_turn(talk).speaker == "Di"


def test_a_new_topic_goes_before_what_friends_were_about_to_say() -> None:
    talk = conversation()
    assert not talk.has_waiting
    talk.set_topic("tubas", 3)
    assert talk.has_waiting
    turn = next_turn(talk)
    assert (turn.source, turn.phrase) == ("topic", "tubas")
    assert not talk.has_waiting
