"""Training text: what is learnt, what is held out, and that nothing gets lost in windows."""

from __future__ import annotations

import csv
import io
import json
import random
import shlex
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.cleaning import CleanLine
from finetune.corpus import Corpus
from finetune.dataset import (
    CleanCorpus,
    sessions,
)
from finetune.dataset_files import dialogue_rows, message_pairs, write_csv
from finetune.errors import FinetuneError, NoSuchFriend, TooLittleText
from finetune.selection import Selection
from finetune.training.examples import Examples, dialogue_examples, monologue_examples, pack
from model_server.checkpoint_format import Codec
from tests.conftest import botconvo_here, run_botconvo

START = datetime(2024, 1, 1, tzinfo=UTC)


def line(
    person: str, text: str, minute: float, chat: int = 1, key: str = "", answers: str = ""
) -> CleanLine:
    sent_at = START + timedelta(minutes=minute)
    return CleanLine(0, f"chat {chat}", person, sent_at, text, chat, key or None, answers or None)


@pytest.fixture
def corpus(corpus_file: Path) -> CleanCorpus:
    with Corpus.open(corpus_file) as opened:
        return CleanCorpus.read(opened)


@pytest.fixture(scope="module")
def codec(models: Path) -> Codec:
    return Codec.read(models / "tiny")


def test_silence_or_another_chat_begins_a_new_session() -> None:
    lines = [line("A", "a", 0), line("B", "b", 59), line("A", "c", 130), line("A", "d", 131, 2)]
    assert [len(session) for session in sessions(lines)] == [2, 1, 1]


def test_a_friend_is_found_in_any_case_and_a_stranger_is_not(corpus: CleanCorpus) -> None:
    assert corpus.friend("mArLoW").name == "Marlow"
    with pytest.raises(NoSuchFriend, match="it knows Priya, Marlow, Juno, Dex; see"):
        corpus.friend("Bort")


def test_the_newest_tenth_is_held_out_by_the_same_dates_for_everybody(
    corpus: CleanCorpus,
) -> None:
    parts = corpus.parts
    sizes = [sum(map(len, found)) for found in parts.named().values()]
    assert sum(sizes) == corpus.report.kept
    assert [round(size / sum(sizes), 2) for size in sizes] == [0.9, 0.05, 0.05]
    times = [[line.sent_at for s in found for line in s] for found in parts.named().values()]
    assert max(times[0]) < parts.validation_from <= min(times[1])
    assert max(times[1]) < parts.test_from <= min(times[2])


def test_a_conversation_that_crosses_the_cut_is_cut_there() -> None:
    talk = [line("A", f"line {i}", i) for i in range(200)]
    parts = CleanCorpus(tuple(sessions(talk))).parts
    assert [len(found) for found in parts.named().values()] == [1, 1, 1]
    assert parts.training[0] + parts.validation[0] + parts.test[0] == tuple(talk)


def test_lines_without_times_are_held_out_by_their_order() -> None:
    talk = [line("A", f"line {i}", i) for i in range(200)]
    old = datetime(1970, 1, 1, tzinfo=UTC)
    bare = [
        CleanLine(0, "lines", "Zed", old + timedelta(hours=2 * i), f"bare {i}", 2)
        for i in range(100)
    ]
    parts = CleanCorpus(tuple(sessions([*talk, *bare]))).parts
    counts = [
        sum(li.person == "Zed" for s in found for li in s) for found in parts.named().values()
    ]
    assert counts == [90, 5, 5]
    assert parts.validation_from.year == 2024


def test_too_few_messages_to_divide_are_refused_with_the_figures() -> None:
    few = CleanCorpus(tuple(sessions([line("A", "hello", i) for i in range(7)])))
    with pytest.raises(TooLittleText, match="There are 7 usable messages"):
        _ = few.parts


def test_chats_and_dates_can_be_chosen_and_the_choice_is_kept(corpus_file: Path) -> None:
    since, until = date(2024, 3, 1), date(2024, 4, 30)
    with Corpus.open(corpus_file) as opened:
        chosen = CleanCorpus.read(opened, Selection(("general",), (), since, until))
        nothing = CleanCorpus.read(opened, Selection((), ("*general",)))
        with pytest.raises(
            FinetuneError, match="No chat of the corpus is called 'genral'; perhaps"
        ):
            CleanCorpus.read(opened, Selection(("genral",)))
    days = {li.sent_at.date() for li in chosen.lines}
    assert since <= min(days) <= max(days) <= until
    assert not nothing.sessions
    assert chosen.chosen() == {
        "chats": ["general"], "since": "2024-03-01", "until": "2024-04-30",
    }  # fmt: skip


def test_an_answer_to_something_far_back_has_it_before_it_once_more(codec: Codec) -> None:
    talk = [line("Ada", "soup?", 0, key="1")]
    talk += [line("Cy", f"noise {i}", 1 + i, key=f"n{i}") for i in range(5)]
    talk += [line("Bo", "no soup.", 7, key="2", answers="1")]
    talk += [line("Bo", "never.", 8, key="3", answers="2")]
    corpus = CleanCorpus(tuple(sessions(talk)))
    [session] = corpus.stitched(corpus.sessions)
    assert [li.text for li in session[-3:]] == ["soup?", "no soup.", "never."]
    [learnt] = dialogue_examples([session], codec, "Ada").sessions
    assert sum(sum(weights) > 0 for _, weights in learnt) == 1
    rows = list(dialogue_rows([session], "Bo"))
    assert [row["context"][-1]["text"] for row in rows] == ["soup?", "no soup."]


def test_pairs_are_what_was_said_last_and_the_answer_bursts_together() -> None:
    talk = [
        line("Bo", "morning", 0), line("Ada", "soup?", 1), line("Cy", "salad?", 2),
        line("Cy", "or cake?", 3), line("Bo", "cake", 4), line("Bo", "always", 5),
        line("Ada", "bye", 6), line("Bo", "bye", 7),
    ]  # fmt: skip
    assert list(message_pairs([tuple(talk)], "Bo")) == [
        {"client": "salad?\nor cake?", "server": "cake\nalways"},
        {"client": "bye", "server": "bye"},
    ]


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


def test_the_dataset_command_writes_all_parts_of_every_friend(corpus_file: Path) -> None:
    done = run_botconvo("dataset", "--corpus", corpus_file, "--out", "sets")
    assert done.returncode == 0
    assert sorted(p.name for p in Path("sets").iterdir()) == ["dex", "juno", "marlow", "priya"]
    juno = Path("sets/juno")
    kinds = ("dialogue", "monologue", "pairs", "text", "text-authors")
    assert {p.stem for p in juno.iterdir()} == {
        *(f"{kind}-{part}" for kind in kinds for part in ("training", "validation", "test")),
        "dataset",
    }
    rows = [
        row
        for part in ("training", "validation", "test")
        for row in csv.DictReader(
            io.StringIO((juno / f"monologue-{part}.csv").read_text(encoding="utf-8"))
        )
    ]
    assert len(rows) == 822
    with_authors = (juno / "text-authors-test.txt").read_text(encoding="utf-8")
    without = (juno / "text-test.txt").read_text(encoding="utf-8")
    bare = [line.partition(": ")[2] for line in with_authors.splitlines()]
    assert bare == without.splitlines()


@pytest.mark.parametrize("form", ["json", "csv", "text"])
def test_the_corpus_is_exported_whole_in_every_form(corpus_file: Path, form: str) -> None:
    done = botconvo_here("export", "--corpus", corpus_file, "--format", form, "--authors")
    assert done.returncode == 0
    if form == "json":
        rows = json.loads(done.stdout)
        assert rows[0]["text"] == "Joined the server." and rows[0]["kind"] == "system"
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert rows[0]["person"] and rows[0]["sent_at"]
    else:
        rows = done.stdout.splitlines()
        assert rows[0].endswith(": Joined the server.")
    assert len(rows) == 3541


def test_a_reader_that_leaves_early_is_no_error(corpus_file: Path) -> None:
    export = shlex.join([sys.executable, "-m", "orchestrator", "export"])
    command = f"{export} --corpus {shlex.quote(str(corpus_file))} | head -n 2"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (len(done.stdout.splitlines()), done.stderr) == (2, "")
