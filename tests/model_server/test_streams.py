"""What is told in parts is what would have been told whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_server.candidates import Policy, TextStream, judge, markers_of
from model_server.checkpoint_format import Codec, Manifest
from model_server.engines import Continuation
from model_server.prompting import Prompt

STYLES = {"dialogue": Manifest(style="dialogue", stop="\n"), "monologue": Manifest()}
PIECES = ["  ", "\t", " hi", "a", "🙂", "\n", "<|endoftext|>", "<|end", " soup", ".", "\u00a0"]


@pytest.fixture(scope="module")
def codec(models: Path) -> Codec:
    return Codec.read(models / "tiny")


@pytest.mark.parametrize("style", list(STYLES))
@pytest.mark.parametrize("opening", ["", "the soup"])
@pytest.mark.parametrize("is_raw", [False, True])
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=12),
    junk=st.lists(st.integers(0, 255), max_size=3),
    place=st.integers(0, 12),
    longest=st.sampled_from([9, 14, 400]),
)
@settings(max_examples=150, deadline=None)
def test_the_parts_joined_are_the_whole(
    codec: Codec, style: str, opening: str, is_raw: bool, pieces: list[str], junk: list[int],
    place: int, longest: int,
) -> None:  # fmt: skip
    """It used to keep the spaces that the whole answer drops, and to go on beyond its length."""
    manifest, prompt = STYLES[style], Prompt((0,), opening, is_raw)
    ids = codec.encode("".join(pieces[:place])) + junk + codec.encode("".join(pieces[place:]))
    found = Continuation(ids, [-1.0] * len(ids))
    [whole] = judge([found], prompt, codec, manifest, Policy(max_chars=longest))
    stream = TextStream(codec, markers_of(manifest), prompt, longest)
    said = "".join(stream.feed(token, -1.0) for token in ids) + stream.rest()
    assert (opening if not is_raw else "") + said == whole.text
