"""What a run learns from: enough of it, cut into windows, with the loss on the right tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from finetune.cleaning import CleanLine
from finetune.dataset import CleanCorpus, sessions
from finetune.errors import TooLittleText
from finetune.training.examples import monologue_examples, pack
from finetune.training.material import Material, require_enough
from model_server.checkpoint_format import Codec
from tests.finetune.training_here import cleaned

BEGAN = datetime(2024, 1, 1, tzinfo=UTC)


def corpus_of(**counts: int) -> CleanCorpus:
    """Lines of several people, mixed evenly over the time, a minute apart."""
    places = [((n + 0.5) / count, name) for name, count in counts.items() for n in range(count)]
    lines = [
        CleanLine(id=n, chat_id=1, chat="c", person=name, sent_at=BEGAN + timedelta(minutes=n),
                  text=f"line {n} of {name}", message_id=str(n), reply_to=None)
        for n, (_, name) in enumerate(sorted(places))
    ]  # fmt: skip
    return CleanCorpus(tuple(sessions(lines)))


def test_too_little_text_is_refused_with_the_figures_and_what_else_could_be_done() -> None:
    corpus = corpus_of(Ana=60, Bo=400, Cy=10)
    with pytest.raises(TooLittleText) as caught:
        require_enough(corpus, "Ana", pooled=False)
    assert str(caught.value) == (
        "Ana wrote 60 usable messages, 6 of them among the newest, which are held out, and "
        "training needs 100; let everybody's words help (--pool), or import more chats, or take "
        "another friend (Bo)."
    )
    require_enough(corpus, "Ana", pooled=True)
    require_enough(corpus, "Bo", pooled=False)
    with pytest.raises(TooLittleText, match="Cy wrote 10 usable messages") as caught:
        require_enough(corpus, "Cy", pooled=True)
    assert "--pool" not in str(caught.value)


def test_somebody_who_wrote_only_lately_has_nothing_to_learn_from() -> None:
    early, late = corpus_of(Bo=2000), corpus_of(Ana=150)
    moved = tuple(tuple(_later(line) for line in session) for session in late.sessions)
    with pytest.raises(TooLittleText, match="150 of them among the newest, which are held out"):
        require_enough(CleanCorpus((*early.sessions, *moved)), "Ana", pooled=False)


def _later(line: CleanLine) -> CleanLine:
    return replace(line, sent_at=line.sent_at + timedelta(days=90))


@pytest.fixture
def codec(models: Path) -> Codec:
    return Codec.read(models / "tiny")


def test_only_the_friend_s_own_tokens_count(corpus_file: Path, codec: Codec) -> None:
    material = Material.of(cleaned(corpus_file), "Dex", codec, "dialogue")
    counted = []
    for tokens, weights in pack(material.training.pieces(64, None), 4, 64, codec.end_of_text):
        assert set(np.unique(weights)) <= {0.0, 1.0}
        counted += [codec.token_bytes(int(t)) for t in tokens[:, 1:][weights > 0]]
    said = b"".join(counted).decode(errors="replace")
    own = {line.text for line in material.lines}
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    assert len(lines) > 300
    # Lines longer than the small window are cut, and run into the next.
    assert sum(line in own for line in lines) > 0.5 * len(lines)
    assert not any(f"{name}:" in said for name in ("Marlow", "Priya", "Juno"))


def test_one_true_end_of_text_stands_between_the_messages_of_a_monologue(
    corpus_file: Path, codec: Codec
) -> None:
    made = monologue_examples(cleaned(corpus_file).sessions, codec, "Dex")
    for ids, weights in made.pieces(64, None):
        assert ids[0] == codec.end_of_text
        assert ids.count(codec.end_of_text) in (1, 2)
        assert ids[-1] == codec.end_of_text
        if len(ids) <= 64:  # the message is whole, so it is learnt to stop
            assert weights[-1] == 1.0


def test_other_text_has_another_digest(corpus_file: Path, codec: Codec) -> None:
    corpus = cleaned(corpus_file)
    whole = Material.of(corpus, "Dex", codec, "dialogue")
    assert Material.of(corpus, "Dex", codec, "dialogue").digest() == whole.digest()
    fewer = CleanCorpus(corpus.sessions[1:])
    others = [
        Material.of(fewer, "Dex", codec, "dialogue"),
        Material.of(corpus, "Dex", codec, "monologue"),
        Material.of(corpus, "Juno", codec, "dialogue"),
    ]
    assert len({whole.digest(), *(other.digest() for other in others)}) == 4
