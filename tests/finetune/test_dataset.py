"""Training text: what is learnt, what is held out, and that nothing gets lost in windows."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.cleaning import CleanLine
from finetune.corpus import Corpus
from finetune.dataset import (
    CleanCorpus,
    Examples,
    dialogue_examples,
    monologue_examples,
    pack,
    sessions,
    write_csv,
)
from finetune.errors import NoSuchFriend, TooLittleText
from model_server.checkpoint_format import Codec
from tests.conftest import run_botconvo

START = datetime(2024, 1, 1, tzinfo=UTC)


def line(person: str, text: str, minute: float, chat: str = "c") -> CleanLine:
    return CleanLine(0, chat, person, START + timedelta(minutes=minute), text)


@pytest.fixture
def corpus(corpus_file: Path) -> CleanCorpus:
    with Corpus.open(corpus_file) as opened:
        return CleanCorpus.read(opened)


@pytest.fixture(scope="module")
def codec(models: Path) -> Codec:
    return Codec.read(models / "tiny")


def test_silence_or_another_chat_begins_a_new_session() -> None:
    lines = [line("A", "a", 0), line("B", "b", 59), line("A", "c", 130), line("A", "d", 131, "x")]
    assert [len(session) for session in sessions(lines)] == [2, 1, 1]


def test_a_friend_is_found_in_any_case_and_a_stranger_is_not(corpus: CleanCorpus) -> None:
    assert corpus.friend("mArLoW").name == "Marlow"
    with pytest.raises(NoSuchFriend, match="it knows Priya, Marlow, Juno, Dex"):
        corpus.friend("Bort")


def test_the_newest_tenth_is_held_out(corpus: CleanCorpus) -> None:
    cut = corpus.cut_date("Juno")
    learnt, held_out = corpus.split(cut)
    juno = [sum(li.person == "Juno" for s in part for li in s) for part in (learnt, held_out)]
    assert juno[0] + juno[1] == len(corpus.lines_of("Juno"))
    assert 0.05 < juno[1] / sum(juno) < 0.12
    assert max(s[0].sent_at for s in learnt) < cut <= min(s[0].sent_at for s in held_out)


def test_somebody_who_hardly_wrote_is_refused_with_the_figures() -> None:
    few = CleanCorpus(tuple(sessions([line("A", "hello", i) for i in range(7)])), None)  # type: ignore[arg-type]  # not looked at
    with pytest.raises(TooLittleText, match="A wrote 7 usable messages and training needs 100"):
        few.cut_date("A")


def test_only_the_friends_own_words_count_in_dialogue(codec: Codec) -> None:
    found = [(line("Ada", "soup?", 0), line("Bo", "no soup.", 1))]
    [session] = dialogue_examples(found, codec, "Bo").sessions
    learnt = [t for ids, weights in session for t, w in zip(ids, weights, strict=True) if w]
    assert codec.decode(learnt) == " no soup.\n"
    everything = [t for ids, _ in session for t in ids]
    assert codec.decode(everything) == "Ada: soup?\nBo: no soup.\n"


def test_monologue_text_is_marker_message_end(codec: Codec) -> None:
    found = [(line("Ada", "soup?", 0), line("Bo", "no soup.", 1))]
    [[(ids, weights)]] = monologue_examples(found, codec, "Bo").sessions
    assert codec.decode(ids[:-1]) == "<|startoftext|>no soup."
    assert ids[-1] == codec.end_of_text
    assert codec.decode([t for t, w in zip(ids, weights, strict=True) if w][:-1]) == "no soup."


LENGTHS = st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=12), min_size=1, max_size=8)


@given(LENGTHS, st.integers(16, 48), st.integers(1, 5), st.integers(0, 3))
@settings(deadline=None)
def test_every_message_that_fits_a_window_is_learnt_once_per_pass(
    lengths: list[list[int]], window: int, rows: int, seed: int
) -> None:
    token = iter(range(1, 10**6))
    made = tuple(
        tuple(([next(token) for _ in range(n)], [1.0] * n) for n in session) for session in lengths
    )
    examples = Examples(made, end_of_text=0)
    pieces = list(examples.pieces(window, random.Random(seed)))
    assert all(len(ids) == len(weights) <= window + 1 for ids, weights in pieces)
    learnt: list[int] = []
    for tokens, weights in pack(pieces, rows, window, 0):
        assert tokens.shape == (rows, window + 1)
        assert weights.shape == (rows, window)
        learnt += [int(t) for t in tokens[:, 1:][weights > 0]]
    wanted = [t for session in made for ids, _ in session for t in ids[: window - 1]]
    assert sorted(learnt) == wanted


def test_batches_come_in_the_same_order_and_can_be_skipped(codec: Codec) -> None:
    found = [tuple(line("Bo", f"line number {i} of {s}", i) for i in range(9)) for s in range(9)]
    examples = dialogue_examples(found, codec, "Bo")
    once, again = (examples.batches(2, 64, seed=3, used=used) for used in (0, 4))
    batches = [next(once) for _ in range(7)]
    assert all((a[0] == b[0]).all() for a, b in zip(batches[4:], again, strict=False))


def test_gpt_2_simple_reads_the_csv_that_is_written(codec: Codec, models: Path) -> None:
    from gpt_2_simple.src import encoder, load_dataset

    lines = [
        line("Bo", text, i) for i, text in enumerate(['say "hi", please', "2;3", "ünïcode 🙂"])
    ]
    assert write_csv(lines, Path("bo.csv")) == 3
    encode = encoder.get_encoder(str(models / "tiny"))
    [tokens] = load_dataset.load_dataset(encode, "bo.csv", 50000)
    assert encode.decode(tokens.tolist()) == "".join(
        f"<|startoftext|>{li.text}<|endoftext|>\n" for li in lines
    )


def test_the_dataset_command_writes_a_file_per_friend(corpus_file: Path) -> None:
    done = run_botconvo("dataset", "--corpus", corpus_file, "--out", "csv")
    assert done.returncode == 0
    assert sorted(p.name for p in Path("csv").iterdir()) == [
        "dex.csv", "juno.csv", "marlow.csv", "priya.csv",
    ]  # fmt: skip
    assert len(Path("csv/juno.csv").read_text(encoding="utf-8").splitlines()) == 823
