"""Bits per byte, and which messages are held out for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from finetune.bases.base_models import BaseModel
from finetune.cleaning import CleanLine
from finetune.corpus import Corpus
from finetune.dataset import CleanCorpus, sessions
from finetune.errors import FinetuneError, NoSuchFriend
from finetune.evaluation.figures import Score
from finetune.evaluation.held_out import Rivals, Scorer, find_rivals, scored_examples, served_model
from finetune.evaluation.subjects import Material, find_subjects, lines_of
from model_server.checkpoint_format import Codec, Manifest, TrainingRecord
from tests.conftest import ROOT

PACKAGED_BASE = ROOT / "orchestrator" / "demo" / "base"


@pytest.fixture(scope="module")
def corpus(corpus_file: Path) -> CleanCorpus:
    with Corpus.open(corpus_file) as opened:
        return CleanCorpus.read(opened)


@pytest.fixture(scope="module")
def scorer() -> Iterator[Scorer]:
    made = Scorer(threads=1)
    yield made
    made.close()


def tensorflow_weights(folder: Path) -> BaseModel:
    return BaseModel("marlow", folder, None)


def test_the_figure_is_the_one_that_training_writes_into_the_manifest(
    corpus: CleanCorpus, scorer: Scorer, checkpoints: Path
) -> None:
    folder = checkpoints / "marlow"
    manifest = Manifest.read(folder)
    found = corpus.stitched(corpus.parts.validation)
    score = scorer.score(tensorflow_weights(folder), found, "Marlow", manifest)
    assert score is not None
    # Training rounds to four digits, and may add up in bfloat16.
    assert score.bits_per_byte == pytest.approx(manifest.bits_per_byte["held_out"], abs=0.02)
    assert score.lines == len(lines_of("Marlow", corpus.parts.validation))


def test_a_trained_model_is_less_surprised_than_its_base(
    corpus: CleanCorpus, scorer: Scorer, checkpoints: Path, models: Path
) -> None:
    [subject], _ = find_subjects(corpus, checkpoints, ["marlow"])
    base = find_rivals(subject, models, PACKAGED_BASE).base
    assert base is not None
    assert base.name == "tiny"
    scores = [
        scorer.score(model, corpus.parts.test, "Marlow", subject.manifest)
        for model in (base, served_model(subject))
    ]
    untrained, trained = (score.bits_per_byte for score in scores if score)
    assert trained < untrained


def test_quantised_weights_score_nearly_as_the_ones_they_were_made_from(
    corpus: CleanCorpus, scorer: Scorer, checkpoints: Path
) -> None:
    [subject], _ = find_subjects(corpus, checkpoints, ["Marlow"])
    quantised = served_model(subject)
    assert quantised.gguf is not None
    pair = [
        scorer.score(model, corpus.parts.test, "Marlow", subject.manifest)
        for model in (quantised, tensorflow_weights(subject.folder))
    ]
    one, other = (score.bits_per_byte for score in pair if score)
    assert one == pytest.approx(other, abs=0.02)


def test_a_line_too_long_for_the_window_is_counted_and_not_scored(
    scorer: Scorer, models: Path
) -> None:
    time = datetime(2024, 1, 1, tzinfo=UTC)
    short = CleanLine(1, "chat", "Ana", time, "soup?")
    long = CleanLine(2, "chat", "Ana", time, "soup and tea " * 40)
    base, form = BaseModel("tiny", models / "tiny", None), Manifest(style="dialogue")
    both = scorer.score(base, [(short, long)], "Ana", form)
    alone = scorer.score(base, [(short,)], "Ana", form)
    assert both is not None and alone is not None
    assert (both.lines, both.too_long, both.scored_bytes) == (1, 1, len("soup?") + 1)
    assert both.bits_per_byte == pytest.approx(alone.bits_per_byte, abs=0.01)
    assert scorer.score(base, [(long,)], "Ana", form) is None


def test_a_monologue_is_scored_in_its_own_form(scorer: Scorer, models: Path) -> None:
    time = datetime(2024, 1, 1, tzinfo=UTC)
    said = (
        CleanLine(1, "chat", "Ben", time, "was the soup good?"),
        CleanLine(2, "chat", "Ana", time, "no"),
    )
    codec = Codec.read(models / "tiny")
    [[(ids, weights)]] = scored_examples([said], "Ana", Manifest(), codec).sessions
    # A folder that gpt-2-simple wrote: both markers are ordinary pieces of words.
    assert codec.decode(ids) == "<|startoftext|>no<|endoftext|>"
    assert codec.end_of_text not in ids
    scored = [token for token, weight in zip(ids, weights, strict=True) if weight]
    assert codec.decode(scored) == "no<|endoftext|>"
    ours = scored_examples([said], "Ana", Manifest(end_of_text="token"), codec)
    assert ours.sessions[0][0][0][-1] == codec.end_of_text
    score = scorer.score(BaseModel("tiny", models / "tiny", None), [said], "Ana", Manifest())
    assert score is not None
    assert score == Score(score.bits_per_byte, lines=1, scored_bytes=3)


def trained_until(cut: datetime | None) -> Manifest:
    return Manifest(trained_on=TrainingRecord(cut_date=cut.isoformat() if cut else None))


def test_test_messages_are_those_that_training_holds_back(corpus: CleanCorpus) -> None:
    parts = corpus.parts
    material = Material.of(corpus, [("Ana", trained_until(parts.validation_from))])
    assert (material.training, material.test) == (parts.training, parts.test)
    assert material.unseen == parts.validation + parts.test
    assert material.remarks == ()


def test_messages_that_a_checkpoint_has_seen_are_left_out_and_said(corpus: CleanCorpus) -> None:
    parts = corpus.parts
    later = parts.test_from + timedelta(days=3)
    manifests = [("Ana", trained_until(later)), ("Ben", trained_until(parts.validation_from))]
    material = Material.of(corpus, manifests)
    assert min(line.sent_at for session in material.test for line in session) >= later
    assert material.test == material.unseen
    assert material.test_from == later
    [remark] = material.remarks
    assert remark.startswith("Ana learnt from messages up to")
    # Nothing gets lost: what was seen counts as training text now.
    count = sum(map(len, (*material.training, *material.unseen)))
    assert count == sum(map(len, corpus.sessions))


def test_a_checkpoint_that_has_seen_everything_is_a_clear_mistake(corpus: CleanCorpus) -> None:
    last = max(line.sent_at for line in corpus.lines) + timedelta(seconds=1)
    with pytest.raises(FinetuneError, match=r"there are none\. Name the corpus, chats and dates"):
        Material.of(corpus, [("Ana", trained_until(last))])


def test_a_manifest_without_a_date_is_remarked_upon(corpus: CleanCorpus) -> None:
    [remark] = Material.of(corpus, [("Ana", trained_until(None))]).remarks
    assert "may have seen what it is tested on" in remark


def test_friends_without_a_checkpoint_are_named(corpus: CleanCorpus, checkpoints: Path) -> None:
    found, missing = find_subjects(corpus, checkpoints, [])
    assert {subject.friend for subject in found} == {"Marlow", "Priya"}
    assert {gone.name for gone in missing} == {"Dex", "Juno"}
    found, missing = find_subjects(corpus, checkpoints, ["dex", "marlow"])
    assert [subject.friend for subject in found] == ["Marlow"]
    assert [gone.name for gone in missing] == ["Dex"]


def test_no_checkpoint_at_all_is_a_mistake(corpus: CleanCorpus, tmp_path: Path) -> None:
    with pytest.raises(FinetuneError, match="no finished checkpoint of Dex; make one with"):
        find_subjects(corpus, tmp_path, ["Dex"])
    with pytest.raises(NoSuchFriend):
        find_subjects(corpus, tmp_path, ["Nobody"])


def test_a_checkpoint_of_a_stranger_is_named(checkpoints: Path, corpus: CleanCorpus) -> None:
    without = [tuple(x for x in s if x.person != "Priya") for s in corpus.sessions]
    smaller = replace(corpus, sessions=tuple(sessions(x for s in without for x in s)))
    _, missing = find_subjects(smaller, checkpoints, [])
    assert [gone.name for gone in missing if "nobody in the corpus" in gone.reason] == ["Priya"]


def test_a_friend_of_the_pooled_model_is_compared_with_what_that_began_from(
    corpus: CleanCorpus, tmp_path: Path
) -> None:
    [subject], _ = find_subjects(corpus, PACKAGED_BASE.parent / "friends", ["Dex"])
    assert subject.manifest.base is not None
    assert subject.manifest.base.name == "everybody"
    rivals = find_rivals(subject, tmp_path, PACKAGED_BASE)
    gguf = PACKAGED_BASE / "model-q8_0.gguf"
    assert rivals == Rivals(BaseModel("demo", PACKAGED_BASE, gguf), None)
