"""Stop, cut, judge and rank."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_server.candidates import (
    Policy,
    TextStream,
    answer_text,
    judge,
    markers_of,
    ranked,
)
from model_server.checkpoint_format import (
    LINES_FILE,
    CheckpointError,
    Codec,
    Line,
    Manifest,
    line_digest,
    long_words,
    read_line_digests,
    word_digest,
    write_line_digests,
)
from model_server.engines import Continuation
from model_server.prompting import Prompt, Turn, compose

DIALOGUE = Manifest(style="dialogue", stop="\n", end_of_text="token", speaker="Juno")
MONOLOGUE = Manifest()


@pytest.fixture(scope="module")
def codec(models: Path) -> Codec:
    return Codec.read(models / "tiny")


def drawn(codec: Codec, text: str, logprob: float = -1.0) -> Continuation:
    ids = codec.encode(text)
    return Continuation(ids, [logprob] * len(ids), "length")


def texts(
    codec: Codec, *found: Continuation, phrase: str = "", opening: str = "",
    manifest: Manifest = DIALOGUE, policy: Policy | None = None,
) -> list[tuple[str, str]]:  # fmt: skip
    policy = policy or Policy()
    judged = judge(found, Prompt((0,), opening), codec, manifest, policy)
    chosen = ranked(judged, phrase, policy)
    return [(candidate.text, candidate.verdict) for candidate in chosen]


def test_a_newline_ends_a_dialogue_line_and_the_marker_a_monologue(codec: Codec) -> None:
    assert texts(codec, drawn(codec, " hi there\nDex: what")) == [("hi there", "fit")]
    found = drawn(codec, "hi there<|endoftext|>\n<|startoftext|>next")
    assert texts(codec, found, manifest=MONOLOGUE) == [("hi there", "fit")]


def test_a_start_marker_ends_a_line_too(codec: Codec) -> None:
    found = drawn(codec, "hi<|startoftext|>next")
    assert texts(codec, found, manifest=MONOLOGUE) == [("hi", "fit")]


def test_half_a_character_is_never_said(codec: Codec) -> None:
    ids = codec.encode(" ok 🙂")[:-1]
    text, _ = answer_text(codec, markers_of(DIALOGUE), ids, "length")
    assert text == " ok "


@given(st.lists(st.integers(0, 498), max_size=20), st.binary(max_size=6))
@settings(deadline=None)
def test_a_marker_is_found_after_any_bytes(codec: Codec, ids: list[int], junk: bytes) -> None:
    before = [i for i in ids if b"\n" not in codec.token_bytes(i)]
    marker = codec.encode("<|endoftext|>")
    markers = markers_of(MONOLOGUE)
    text, ended = answer_text(codec, markers, [*before, *marker, *ids], "length")
    assert ended
    assert "<|endoftext|>" not in text


def test_a_line_that_ended_beats_one_that_was_cut(codec: Codec) -> None:
    cut, ended = drawn(codec, " and then", -0.1), drawn(codec, " the end\n", -3.0)
    assert [text for text, _ in texts(codec, cut, ended)] == ["the end", "and then"]


def test_taking_up_the_phrase_beats_being_likely(codec: Codec) -> None:
    likely, fitting = drawn(codec, " ok\n", -0.1), drawn(codec, " which walrus\n", -3.0)
    found = texts(codec, likely, fitting, phrase="the stuffed walrus")
    assert found[0][0] == "which walrus"
    assert texts(codec, likely, fitting)[0][0] == "ok"


def test_the_originals_longest_of_five_is_to_be_had(codec: Codec) -> None:
    short, long = drawn(codec, " ok\n", -0.1), drawn(codec, " a rather long line\n", -3.0)
    found = texts(codec, short, long, policy=Policy(preference="longest"))
    assert found[0][0] == "a rather long line"


def test_banned_words_empty_and_broken_lines_lose_and_say_why(codec: Codec) -> None:
    policy = Policy(banned_words=("Soup",))
    found = texts(
        codec, drawn(codec, " soup!\n", -0.1), drawn(codec, " ...\n", -0.1),
        Continuation([*codec.encode(" a"), codec.encode("🙂")[0], *codec.encode("b\n")], [-0.1]),
        drawn(codec, " souper\n", -5.0), policy=policy,
    )  # fmt: skip
    assert found[0] == ("souper", "fit")
    assert {verdict for _, verdict in found[1:]} == {
        "banned word: Soup", "empty", "broken characters",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("gerald gerald gerald", "repeats itself"),
        ("i met him. i met him.", "repeats itself"),
        ("you are, my guy, my guy!!", "repeats itself"),
        ("i am on the back of the back of the back of the day", "repeats itself"),
        ("Why the back of the back of the back?", "repeats itself"),
        ("no way no way no way", "repeats itself"),
        ('"the sound of labels." "the sound of labels."', "repeats itself"),
        ("i'm, i'm here", "fit"),
        ("he sat and he ate and he sat", "fit"),
        ("the back of the back of the house", "fit"),
        ("no no no no no no", "fit"),
        ("ha ha ha ha", "fit"),
        ("no. no. no way", "fit"),
        ("a dog and a dog", "fit"),
        ("had had it", "fit"),
    ],
)
def test_a_line_that_repeats_itself_loses(codec: Codec, text: str, verdict: str) -> None:
    assert texts(codec, drawn(codec, f" {text}\n")) == [(text, verdict)]


def test_a_line_that_speaks_for_somebody_else_loses(codec: Codec) -> None:
    manifest = DIALOGUE.model_copy(update={"known_speakers": ["Dex", "Juno"]})
    found = texts(
        codec, drawn(codec, " yes Dex: no\n"), drawn(codec, " yes, Dex\n", -9), manifest=manifest
    )
    assert found == [("yes, Dex", "fit"), ("yes Dex: no", "speaks for somebody")]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("write to juno.lift@example.org please", "private data: email"),
        ("call me on +49 1523 4567890 then", "private data: phone number"),
        ("the lift is on floor 12 of 19", "fit"),
    ],
)
def test_private_data_is_never_the_first_choice(codec: Codec, text: str, verdict: str) -> None:
    assert texts(codec, drawn(codec, f" {text}\n")) == [(text, verdict)]
    free = Policy(guards_private_data=False)
    assert texts(codec, drawn(codec, f" {text}\n"), policy=free) == [(text, "fit")]


def test_a_line_that_stands_in_the_training_text_loses_whatever_its_case(codec: Codec) -> None:
    policy = Policy(training_lines=frozenset({line_digest("The lift is my best friend")}))
    said = [" the LIFT is my best friend!\n", " the lift is nobody's friend\n", " lol ok\n"]
    found = texts(codec, *(drawn(codec, text) for text in said), policy=policy)
    assert found[-1] == ("the LIFT is my best friend!", "stands in the training text")
    assert {verdict for _, verdict in found[:2]} == {"fit"}
    assert line_digest("lol ok") == b""


def test_a_line_with_made_up_words_stands_behind_one_without_but_is_said_rather_than_none(
    codec: Codec,
) -> None:
    said = "the lift is a cookal", "we met twice in the lift", "my righend cookal"
    found = [drawn(codec, f" {text}\n", -n) for n, text in enumerate(said)]
    words = {word_digest(word) for word in long_words("we met twice in the lift")}
    policy = Policy(training_words=words)
    assert [text for text, _ in texts(codec, *found, policy=policy)] == [said[1], said[0], said[2]]
    assert texts(codec, found[2], policy=policy) == [("my righend cookal", "fit")]
    assert texts(codec, *found)[0][0] == said[0]  # without a file of words, as ever


def test_what_was_asked_for_or_said_is_not_made_up(codec: Codec) -> None:
    policy = Policy(training_words={word_digest("lift")})
    turn = Turn([Line("Sam", "what is a cookal?")], "the righend")
    found = [drawn(codec, text) for text in (" a cookal\n", " my righend\n", " juno's zorblax\n")]
    manifest = DIALOGUE.model_copy(update={"known_speakers": ["Juno"]})
    prompt = compose(codec, manifest, 64, turn)
    judged = judge(found, prompt, codec, manifest, policy)
    assert [candidate.made_up_words for candidate in judged] == [0, 0, 1]


def test_an_unfit_line_is_not_saved_by_good_words(codec: Codec) -> None:
    policy = Policy(banned_words=("lift",), training_words={word_digest("lift")})
    found = texts(
        codec, drawn(codec, " the lift\n", -0.1), drawn(codec, " cookal\n"), policy=policy
    )
    assert found == [("cookal", "fit"), ("the lift", "banned word: lift")]


def test_the_digests_beside_a_checkpoint_are_read_back(tmp_path: Path) -> None:
    lines = ["the lift is my best friend", "ok", "it stopped between two floors again"]
    write_line_digests(lines, tmp_path)
    assert read_line_digests(tmp_path) == {line_digest(lines[0]), line_digest(lines[2])}
    (tmp_path / LINES_FILE).write_bytes(b"12345")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_line_digests(tmp_path)
    assert read_line_digests(tmp_path / "elsewhere") == frozenset()


def test_stops_of_a_request_end_an_answer_too(codec: Codec) -> None:
    [candidate] = judge(
        [drawn(codec, " soup, salad, cake\n")], Prompt((0,)), codec, DIALOGUE, Policy(), ["sal"]
    )
    assert (candidate.text, candidate.finish_reason) == ("soup,", "stop")


@given(st.lists(st.integers(0, 499), max_size=25), st.sampled_from(["", "ab", "e", "é"]))
@settings(deadline=None, max_examples=300)
def test_a_stream_says_what_the_whole_answer_says(codec: Codec, ids: list[int], stop: str) -> None:
    for manifest in (DIALOGUE, MONOLOGUE):
        markers = markers_of(manifest, [stop] if stop else [])
        stream = TextStream(codec, markers, Prompt((0,), is_raw=True))
        said = "".join(stream.feed(token, -1.0) for token in ids) + stream.rest()
        text, ended = answer_text(codec, markers, ids, "length")
        assert said.rstrip("\ufffd") == text
        assert stream.has_ended == ended
        assert not any(marker.decode() in said for marker in markers)


def test_nothing_but_the_opening_is_no_answer(codec: Codec) -> None:
    assert texts(codec, drawn(codec, ".\n"), opening="the walrus")[0][1] == "empty"


def test_the_opening_is_part_of_the_answer(codec: Codec) -> None:
    found = texts(codec, drawn(codec, " moved again.\n"), opening="the walrus")
    assert found == [("the walrus moved again.", "fit")]


@given(st.lists(st.lists(st.integers(0, 499), max_size=15), min_size=1, max_size=6))
@settings(deadline=None)
def test_every_continuation_comes_out_as_a_candidate(
    codec: Codec, drawn_ids: list[list[int]]
) -> None:
    found = [Continuation(ids, [-1.0] * len(ids)) for ids in drawn_ids]
    chosen = texts(codec, *found)
    assert len(chosen) == len(found)
    for text, verdict in chosen:
        assert "\n" not in text
        assert verdict == "fit" or not verdict.startswith("fit")
