"""How near converted weights are to the weights that they were made from.

GPT-2 in float32 numpy, forward only. `finetune.training.graph` would need memory for training, and
rounds matrix products to bfloat16 on processors that can, which blurs more than Q8_0 does.
Knows weights and token ids, and no files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from finetune.arrays import FloatArray, IntArray, Weights
from model_server.checkpoint_format import Codec, Sizes

ROWS = 16
TOKENS_PER_ROW = 32
"""Many short texts: every token of a row reads all weights once, and rows share that."""
SEED = 1


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two sets of weights on the same text, which the original ones wrote."""

    greedy: float
    """Share of places at which both find the same token the likeliest."""
    bits_per_byte: float
    """Of the original weights."""
    bits_per_byte_added: float
    """By the converted ones."""
    tokens: int


def agreement(
    original: Weights, read_converted: Callable[[], Weights], sizes: Sizes, codec: Codec
) -> Agreement:
    """Lets the original weights write, with a fixed seed, and compares on what they wrote:
    text of the kind that they will write for the user, in whatever language that is."""
    rng = np.random.default_rng(SEED)
    length = min(TOKENS_PER_ROW, sizes.n_ctx)
    tokens, likeliest, nats = _written(Forward(original, sizes, ROWS), codec, length, rng)
    converted = Forward(read_converted(), sizes, ROWS)
    same, nats_after = 0, 0.0
    for place in range(length):
        logits = converted.next_logits(tokens[:, place])
        same += int((logits.argmax(axis=1) == likeliest[:, place]).sum())
        nats_after += _nats(logits, tokens[:, place + 1])
    text = [int(token) for token in tokens[:, 1:].ravel() if token != codec.end_of_text]
    bits = math.log(2) * max(1, sum(len(codec.token_bytes(token)) for token in text))
    return Agreement(same / (ROWS * length), nats / bits, (nats_after - nats) / bits, ROWS * length)


def _written(
    model: Forward, codec: Codec, length: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray, float]:
    """Token ids [rows, length + 1] that begin with the end-of-text token, the likeliest token
    after each of the first `length`, and the nats of all that were drawn."""
    tokens = np.full((ROWS, length + 1), codec.end_of_text, np.int32)
    likeliest = np.empty((ROWS, length), np.int32)
    nats = 0.0
    for place in range(length):
        logits = model.next_logits(tokens[:, place])
        likeliest[:, place] = logits.argmax(axis=1)
        # Drawing with the temperature 1: the largest of logits with Gumbel's noise.
        tokens[:, place + 1] = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
        nats += _nats(logits, tokens[:, place + 1])
    return tokens, likeliest, nats


def _nats(logits: FloatArray, tokens: IntArray) -> float:
    exact = logits.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    chosen = exact[np.arange(len(tokens)), tokens]
    return float((np.log(np.exp(exact).sum(axis=1)) - chosen).sum())


class Forward:
    """GPT-2 one token at a time for some rows, with the keys and values of what came before.

    The same steps as `gpt_2_simple.src.model`, in float32.
    """

    def __init__(self, weights: Weights, sizes: Sizes, rows: int) -> None:
        self._weights = weights
        self._sizes = sizes
        self._place = 0
        shape = (sizes.n_layer, 2, rows, sizes.n_head, sizes.n_ctx, sizes.n_embd // sizes.n_head)
        self._past: FloatArray = np.zeros(shape, np.float32)

    def next_logits(self, tokens: IntArray) -> FloatArray:
        """Takes one token id for each row and gives logits [rows, vocabulary] for the next."""
        weights = self._weights
        x = weights["wte"][tokens] + weights["wpe"][self._place]
        for layer in range(self._sizes.n_layer):
            name = f"h{layer}"
            x = x + self._attention(layer, self._norm(x, f"{name}/ln_1"))
            inner = _gelu(self._linear(self._norm(x, f"{name}/ln_2"), f"{name}/mlp/c_fc"))
            x = x + self._linear(inner, f"{name}/mlp/c_proj")
        self._place += 1
        logits: FloatArray = self._norm(x, "ln_f") @ weights["wte"].T
        return logits

    def _attention(self, layer: int, x: FloatArray) -> FloatArray:
        rows, width = x.shape
        end = self._place + 1
        heads = self._linear(x, f"h{layer}/attn/c_attn").reshape(rows, 3, self._sizes.n_head, -1)
        query, self._past[layer, 0, :, :, self._place], self._past[layer, 1, :, :, self._place] = (
            heads.swapaxes(0, 1)
        )
        keys, values = self._past[layer, :, :, :, :end]
        scores = (keys @ query[..., None])[..., 0] / np.float32(math.sqrt(query.shape[-1]))
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed = (shares[..., None, :] @ values)[..., 0, :].reshape(rows, width)
        return self._linear(mixed, f"h{layer}/attn/c_proj")

    def _linear(self, x: FloatArray, name: str) -> FloatArray:
        result: FloatArray = x @ self._weights[f"{name}/w"][0] + self._weights[f"{name}/b"]
        return result

    def _norm(self, x: FloatArray, name: str) -> FloatArray:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        normal = centred / np.sqrt(variance + np.float32(1e-5))
        result: FloatArray = normal * self._weights[f"{name}/g"] + self._weights[f"{name}/b"]
        return result


def _gelu(x: FloatArray) -> FloatArray:
    result: FloatArray = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return result
