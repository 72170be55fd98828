"""The tokenizer agrees with gpt-2-simple's own encoder, token for token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_server.checkpoint_format import (
    END_OF_TEXT,
    CheckpointError,
    Codec,
    Line,
    dialogue_line,
    dialogue_prefix,
    dialogue_prompt,
)


@pytest.fixture(scope="module")
def codec(models: Path) -> Codec:
    return Codec.read(models / "tiny")


@pytest.fixture(scope="module")
def reference(models: Path) -> Any:
    from gpt_2_simple.src.encoder import get_encoder

    return get_encoder(str(models / "tiny"))


TEXTS = st.text() | st.text(alphabet="ab c'sdt.\n\t 12é🙂\u3000\x85", max_size=30)


@given(TEXTS)
@settings(deadline=None, max_examples=300)
def test_any_text_becomes_the_same_ids(codec: Codec, reference: Any, text: str) -> None:
    assert codec.encode(text) == reference.encode(text)


@given(TEXTS)
@settings(deadline=None)
def test_decoding_gives_the_text_back(codec: Codec, text: str) -> None:
    assert codec.decode(codec.encode(text)) == text


def test_the_end_marker_in_a_text_is_no_token(codec: Codec, reference: Any) -> None:
    ids = codec.encode(f"a{END_OF_TEXT}b")
    assert codec.end_of_text not in ids
    assert ids == reference.encode(f"a{END_OF_TEXT}b")
    assert codec.end_of_text == len(codec) - 1


NAMES = st.text(min_size=1, max_size=8).filter(lambda s: s.strip())


@given(st.lists(st.tuples(NAMES, st.text(max_size=60)), max_size=9), NAMES, st.integers(24, 200))
@settings(deadline=None)
def test_a_prompt_fits_its_room_and_ends_with_the_speaker(
    codec: Codec, lines: list[tuple[str, str]], speaker: str, room: int
) -> None:
    said = [Line(name, text) for name, text in lines]
    ids = dialogue_prompt(codec, said, speaker, room)
    tail = codec.encode(dialogue_prefix(speaker))
    assert len(ids) <= max(room, 1 + len(tail))
    assert ids[0] == codec.end_of_text
    text = codec.decode(ids[1:])
    assert text.endswith(dialogue_prefix(speaker))
    kept = text.removesuffix(dialogue_prefix(speaker))
    assert "".join(map(dialogue_line, said)).endswith(kept)


def test_a_training_line_begins_with_the_tokens_of_its_prompt(codec: Codec) -> None:
    whole = codec.encode(dialogue_line(Line("Juno", "the walrus moved.")))
    prefix = codec.encode(dialogue_prefix("Juno"))
    assert whole[: len(prefix)] == prefix


def test_a_broken_merges_file_is_named(models: Path, tmp_path: Path) -> None:
    (tmp_path / "encoder.json").write_text((models / "tiny/encoder.json").read_text())
    (tmp_path / "vocab.bpe").write_text("#version: 0.2\nzz qq\n")
    with pytest.raises(CheckpointError, match=r"vocab\.bpe: the merge 'zz qq' is not in"):
        Codec.read(tmp_path)
