"""Figures that several measures share: bits per byte, and shares that were counted, with what they
may truly be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finetune.arrays import FloatArray

DRAWS = 4000
"""More change nothing in the digits that are shown."""


@dataclass(frozen=True, slots=True)
class Score:
    """Bits per byte over so many lines. `too_long` lines fit in no window and are not scored."""

    bits_per_byte: float
    lines: int
    scored_bytes: int
    too_long: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with the interval that holds the true one with a probability of 95 %."""

    value: float
    low: float
    high: float


def proportion(hits: int, count: int) -> Estimate:
    """Of `hits` in `count`; nothing is known of a count of 0."""
    if not count:
        return Estimate(0.0, 0.0, 1.0)
    return estimate(hits / count, draws(hits, count, np.random.default_rng(0)))


def draws(hits: int, count: int, rng: np.random.Generator) -> FloatArray:
    """True shares as likely as the counts make them: Jeffreys' interval for a binomial
    proportion (Brown, Cai and DasGupta 2001, Statistical Science 16:101) as random draws, so
    that means and ratios of several have intervals, too."""
    return rng.beta(hits + 0.5, count - hits + 0.5, DRAWS).astype(np.float32)


def estimate(value: float, drawn: FloatArray) -> Estimate:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(value, float(low), float(high))
