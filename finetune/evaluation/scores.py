"""The figure that held_out.py measures, by itself: who only reads it needs no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """Bits per byte over so many lines. `too_long` lines fit in no window and are not scored."""

    bits_per_byte: float
    lines: int
    scored_bytes: int
    too_long: int = 0
