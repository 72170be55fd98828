"""Drawing the next token from logits, in numpy. Pure; the order of steps is gpt-2-simple's
with llama.cpp's repetition penalty in front, so that all engines mean the same by a knob."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def draw(
    logits: FloatArray,
    history: Sequence[int],
    rng: np.random.Generator,
    *,
    temperature: float,
    top_k: int,
    top_p: float,
    repetition_penalty: float,
    no_repeat_ngram: int = 0,
    window: int | None = None,
    favoured: Sequence[tuple[int, float]] = (),
) -> int:
    """The next token id from logits of shape [vocabulary]. Temperature 0 takes the largest.

    The penalty (Keskar et al., CTRL, 2019, section 4.1) divides positive logits of the last
    `window` tokens of `history` and multiplies negative ones. A token that would make a sequence
    of `no_repeat_ngram` tokens come twice in `history` is not drawn. The logits of `favoured`
    tokens are that much larger, before all else.
    """
    logits = logits.copy()
    for token, bias in favoured:
        logits[token] += bias
    if repetition_penalty != 1.0 and history:
        seen = np.unique(np.asarray(history[-window:] if window else history))
        picked = logits[seen]
        logits[seen] = np.where(
            picked > 0, picked / repetition_penalty, picked * repetition_penalty
        )
    if no_repeat_ngram and (banned := repeating(history, no_repeat_ngram)):
        logits[list(banned)] = -np.inf
    if temperature <= 0:
        return int(np.argmax(logits))
    order = np.argsort(-logits, kind="stable")
    if 0 < top_k < len(order):
        order = order[:top_k]
    weights = np.exp((logits[order] - logits[order[0]]).astype(np.float64) / temperature)
    weights /= weights.sum()
    if top_p < 1.0:
        kept = max(1, int(np.searchsorted(np.cumsum(weights), top_p) + 1))
        order, weights = order[:kept], weights[:kept] / weights[:kept].sum()
    return int(rng.choice(order, p=weights))


def repeating(history: Sequence[int], size: int) -> set[int]:
    """The tokens that would end a sequence of `size` tokens that is in `history` already."""
    last = tuple(history[len(history) - size + 1 :])
    if len(last) < size - 1:
        return set()
    starts = range(len(history) - size + 1)
    return {history[s + size - 1] for s in starts if tuple(history[s : s + size - 1]) == last}


def likeliest(logits: FloatArray, count: int) -> dict[int, float]:
    """The `count` likeliest tokens with their log-probabilities in nats."""
    best = np.argsort(-logits, kind="stable")[:count]
    return {int(token): logprob(logits, int(token)) for token in best}


def logprob(logits: FloatArray, token: int) -> float:
    """Log-probability of a token in nats under softmax over all logits."""
    values = logits.astype(np.float64)
    top = values.max()
    return float(values[token] - top - np.log(np.exp(values - top).sum()))
