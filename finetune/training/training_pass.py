"""One pass of training over gpt-2-simple's weights: the same function as its `model.model`, with
a backward pass of our own that takes less time and memory.

What is saved, and how:
- attention looks only at the keys that a query may see, block by block, and keeps no
  probabilities: they are computed again on the way back (T. Dao et al., "FlashAttention", 2022);
- the logits of a few hundred tokens at a time become their gradient at once and are gone
  (B. Hsu et al., "Liger Kernel", 2024), so a whole [tokens, vocabulary] array never exists;
- `save_memory` keeps only each layer's input and computes the rest of the layer again on the
  way back (T. Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).

Knows no optimizer and no session. Arrays are named by gpt-2-simple's variables without `model/`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from finetune.training.tensorflow_loading import tf, tf1
from model_server.checkpoint_format import Sizes

QUERIES_AT_ONCE = 256
LOGITS_AT_ONCE = 256
"""Tokens. Smaller blocks skip more of what a query may not see and need less memory, larger ones
keep matrix products efficient; measured on 1024 tokens of the 124M model."""
EPSILON = 1e-5
"""gpt-2-simple's, in its `norm`."""

Tensors = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pass:
    """What one forward and backward pass computes.

    `loss_sum` is float32 []; `gradients` are of `loss_sum` times the given scale, by name, in
    the precision of the matrix products or float32.
    """

    loss_sum: Any
    gradients: Tensors


def training_pass(
    sizes: Sizes,
    weights: Tensors,
    tokens: Any,
    token_weights: Any,
    *,
    dtype: Any,
    scale: Any = None,
    save_memory: bool = False,
) -> Pass:
    """Loss and gradients of tokens [rows, window + 1] with weights [rows, window].

    `scale` [] multiplies every gradient, so that small ones survive float16; None is 1.
    """
    inputs, labels = tokens[:, :-1], tf.reshape(tokens[:, 1:], [-1])
    flows = [_embedded(weights, inputs)]
    for layer in range(sizes.n_layer):
        flows.append(_block(sizes, _of_layer(weights, layer), flows[-1], dtype))
    normed = _norm(flows[-1], weights["ln_f/g"], weights["ln_f/b"])
    counts = tf.reshape(token_weights, [-1])
    scaled = counts if scale is None else counts * scale
    losses, d_normed, d_wte = _head(normed, weights["wte"], labels, scaled, dtype)
    d_flow, *d_last = tf.gradients(
        normed, [flows[-1], weights["ln_f/g"], weights["ln_f/b"]], d_normed
    )
    gradients = dict(zip(("ln_f/g", "ln_f/b"), d_last, strict=True))
    for layer in reversed(range(sizes.n_layer)):
        names = [name for name in weights if name.startswith(f"h{layer}/")]
        before, after = flows[layer], flows[layer + 1]
        if save_memory:
            with tf1.control_dependencies([d_flow]):
                before = tf.identity(before)
                after = _block(sizes, _of_layer(weights, layer), before, dtype)
        d_flow, *found = tf.gradients(after, [before, *(weights[n] for n in names)], d_flow)
        # The layer's arrays are to be gone before the layer below needs room for its own.
        with tf1.control_dependencies(found):
            d_flow = tf.identity(d_flow)
        gradients |= dict(zip(names, found, strict=True))
    gradients |= _embedding_gradients(sizes, inputs, d_flow, d_wte)
    return Pass(tf.reduce_sum(losses * counts), gradients)


def prediction_losses(sizes: Sizes, weights: Tensors, tokens: Any, *, dtype: Any) -> Any:
    """Loss of every prediction in nats, float32 [rows, window], for tokens [rows, window + 1].

    The logits are float32 whatever `dtype` the layers have, since these are the figures that
    runs are compared by.
    """
    inputs, labels = tokens[:, :-1], tf.reshape(tokens[:, 1:], [-1])
    flow = _embedded(weights, inputs)
    for layer in range(sizes.n_layer):
        flow = _block(sizes, _of_layer(weights, layer), flow, dtype)
    normed = _rows_of(_norm(flow, weights["ln_f/g"], weights["ln_f/b"]))
    found: list[Any] = []
    for part in _slices(labels.shape[0], LOGITS_AT_ONCE):
        with tf1.control_dependencies(found[-1:]):
            logits = tf.matmul(normed[part], weights["wte"], transpose_b=True)
        found.append(_losses_and_chances(logits, labels[part])[0])
    return tf.reshape(tf.concat(found, 0), inputs.shape)


def _of_layer(weights: Tensors, layer: int) -> Tensors:
    start = f"h{layer}/"
    return {n.removeprefix(start): v for n, v in weights.items() if n.startswith(start)}


def _slices(length: int, size: int) -> list[slice]:
    return [slice(start, min(length, start + size)) for start in range(0, length, size)]


def _rows_of(x: Any) -> Any:
    return tf.reshape(x, [-1, x.shape[-1]])


# --- embeddings ---------------------------------------------------------------------------


def _embedded(weights: Tensors, inputs: Any) -> Any:
    return tf.gather(weights["wte"], inputs) + weights["wpe"][: inputs.shape[1]]


def _embedding_gradients(sizes: Sizes, inputs: Any, d_flow: Any, d_wte: Any) -> Tensors:
    d_wte = tf.tensor_scatter_nd_add(d_wte, tf.reshape(inputs, [-1, 1]), _rows_of(d_flow))
    unused = sizes.n_ctx - inputs.shape[1]
    return {"wte": d_wte, "wpe": tf.pad(tf.reduce_sum(d_flow, 0), [[0, unused], [0, 0]])}


# --- a layer ------------------------------------------------------------------------------


def _block(sizes: Sizes, weights: Tensors, flow: Any, dtype: Any) -> Any:
    """gpt-2-simple's `block` [rows, window, width], float32 in and out."""
    normed = _rows_of(_norm(flow, weights["ln_1/g"], weights["ln_1/b"]))
    qkv = _linear(tf.cast(normed, dtype), weights["attn/c_attn/w"], weights["attn/c_attn/b"])
    mixed = _attention(tf.reshape(qkv, [*flow.shape[:2], 3 * sizes.n_embd]), sizes.n_head)
    mixed = _linear(_rows_of(mixed), weights["attn/c_proj/w"], weights["attn/c_proj/b"])
    flow += tf.reshape(tf.cast(mixed, tf.float32), flow.shape)
    normed = _rows_of(_norm(flow, weights["ln_2/g"], weights["ln_2/b"]))
    wide = _linear(tf.cast(normed, dtype), weights["mlp/c_fc/w"], weights["mlp/c_fc/b"])
    narrow = _linear(_gelu(wide), weights["mlp/c_proj/w"], weights["mlp/c_proj/b"])
    return flow + tf.reshape(tf.cast(narrow, tf.float32), flow.shape)


@tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
def _norm(x: Any, gain: Any, bias: Any) -> Any:
    """gpt-2-simple's `norm` over the last axis."""
    centred = x - tf.reduce_mean(x, -1, keepdims=True)
    inverse = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + EPSILON)
    unit = centred * inverse

    def backward(d: Any) -> tuple[Any, Any, Any]:
        d_unit = d * gain
        along = tf.reduce_mean(d_unit * unit, -1, keepdims=True)
        d_x = (d_unit - tf.reduce_mean(d_unit, -1, keepdims=True) - unit * along) * inverse
        return d_x, tf.reduce_sum(_rows_of(d * unit), 0), tf.reduce_sum(_rows_of(d), 0)

    return unit * gain + bias, backward


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _linear(x: Any, weight: Any, bias: Any) -> Any:
    """gpt-2-simple's `conv1d` of x [tokens, inputs] with a weight [1, inputs, outputs]."""
    matrix = tf.cast(weight[0], x.dtype)

    def backward(d: Any) -> tuple[Any, Any, Any]:
        with tf1.control_dependencies([d]):  # else the first cast would be kept until now
            again = tf.cast(weight[0], x.dtype)
        d_weight = tf.matmul(x, d, transpose_a=True)[tf.newaxis]
        return tf.matmul(d, again, transpose_b=True), d_weight, tf.raw_ops.BiasAddGrad(
            out_backprop=d
        )  # fmt: skip

    return tf.nn.bias_add(tf.matmul(x, matrix), tf.cast(bias, x.dtype)), backward


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _gelu(x: Any) -> Any:
    """gpt-2-simple's `gelu`, the approximation with tanh."""

    def bent(x: Any) -> Any:
        return tf.tanh(x * (C + C * CUBIC * tf.square(x)))

    def backward(d: Any) -> Any:
        with tf1.control_dependencies([d]):
            again = tf.identity(x)
        t = bent(again)
        slope = again * (1 - tf.square(t)) * (C + 3 * C * CUBIC * tf.square(again))
        return d * (0.5 * (1 + t + slope))

    return 0.5 * x * (1 + bent(x)), backward


C = math.sqrt(2 / math.pi)
CUBIC = 0.044715
SMALLEST = 1.2e-38
"""The least normal float32; a loss above 87 nats counts as that."""


# --- attention ----------------------------------------------------------------------------


UNSEEN = -30_000.0
"""Added to a score; float16 has no number far below it."""


def _attention(qkv: Any, heads: int) -> Any:
    """Causal attention of all heads [rows, window, width], for queries, keys and values side by
    side [rows, window, 3 * width]."""
    rows, window, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    split = tf.reshape(qkv, [rows, window, 3, heads, width // heads])
    queries, keys, values = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]))
    mixed = _mixed(queries * (width // heads) ** -0.5, keys, values)
    return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rows, window, width])


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _mixed(queries: Any, keys: Any, values: Any) -> Any:
    """Attention over arrays [rows, heads, window, width of a head], queries scaled already."""
    window = queries.shape[2]
    blocks = _slices(window, QUERIES_AT_ONCE)
    mixed = tf.concat(
        [tf.matmul(_chances(queries, keys, block), values[:, :, : block.stop]) for block in blocks],
        2,
    )

    def backward(d: Any) -> tuple[Any, Any, Any]:
        # sum over keys of chance * its gradient; the same as below, without the chances
        along = tf.reduce_sum(d * mixed, -1, keepdims=True)
        parts = []
        for block in blocks:
            with tf1.control_dependencies([d]):
                again = tf.identity(queries)
            parts.append(_block_gradients(again, keys, values, block, d, along))
        d_queries, d_keys, d_values = zip(*parts, strict=True)
        return tf.concat(d_queries, 2), tf.add_n(d_keys), tf.add_n(d_values)

    return mixed, backward


def _chances(queries: Any, keys: Any, block: slice) -> Any:
    """What each query of the block gives to each key up to the block's end."""
    scores = tf.matmul(queries[:, :, block], keys[:, :, : block.stop], transpose_b=True)
    seen = tf.range(block.stop) <= tf.range(block.start, block.stop)[:, tf.newaxis]
    return tf.nn.softmax(scores + tf.cast(tf.where(seen, 0.0, UNSEEN), scores.dtype))


def _block_gradients(
    queries: Any, keys: Any, values: Any, block: slice, d: Any, along: Any
) -> tuple[Any, Any, Any]:
    chances = _chances(queries, keys, block)
    d_chances = tf.matmul(d[:, :, block], values[:, :, : block.stop], transpose_b=True)
    d_scores = chances * (d_chances - along[:, :, block])
    unseen = [[0, 0], [0, 0], [0, queries.shape[2] - block.stop], [0, 0]]
    return (
        tf.matmul(d_scores, keys[:, :, : block.stop]),
        tf.pad(tf.matmul(d_scores, queries[:, :, block], transpose_a=True), unseen),
        tf.pad(tf.matmul(chances, d[:, :, block], transpose_a=True), unseen),
    )


# --- the output layer ---------------------------------------------------------------------


def _head(normed: Any, wte: Any, labels: Any, counts: Any, dtype: Any) -> tuple[Any, Any, Any]:
    """Losses [tokens], and the gradients of their sum weighted with `counts` by `normed` (of its
    shape) and by `wte`.

    GPT-2's logits lie far below zero, where bfloat16 knows no fractions. Taking the mean word
    off `wte` moves all logits of a token by the same amount, which changes neither the loss nor
    its gradients, and brings them near zero.
    """
    centred = tf.cast(wte - tf.reduce_mean(wte, 0), dtype)
    flat = tf.cast(_rows_of(normed), dtype)
    losses: list[Any] = []
    d_flat: list[Any] = []
    d_wte: Any = None
    for part in _slices(labels.shape[0], LOGITS_AT_ONCE):
        with tf1.control_dependencies([] if d_wte is None else [d_wte, d_flat[-1]]):
            logits = tf.matmul(flat[part], centred, transpose_b=True)
        found, chances = _losses_and_chances(logits, labels[part])
        d_logits = _minus_one_at(chances, labels[part], found) * counts[part, tf.newaxis]
        d_logits = tf.cast(d_logits, dtype)
        losses.append(found)
        d_flat.append(tf.matmul(d_logits, centred))
        d_part = tf.cast(tf.matmul(d_logits, flat[part], transpose_a=True), tf.float32)
        d_wte = d_part if d_wte is None else d_wte + d_part
    d_normed = tf.reshape(tf.cast(tf.concat(d_flat, 0), tf.float32), normed.shape)
    return tf.concat(losses, 0), d_normed, d_wte


def _losses_and_chances(logits: Any, labels: Any) -> tuple[Any, Any]:
    """The softmax kernel is ten times as fast as that of the cross entropy on a processor."""
    chances = tf.nn.softmax(tf.cast(logits, tf.float32))
    given = tf.gather(chances, labels, batch_dims=1)
    return -tf.math.log(tf.maximum(given, SMALLEST)), chances


def _minus_one_at(chances: Any, labels: Any, after: Any) -> Any:
    places = tf.stack([tf.range(labels.shape[0]), labels], 1)
    with tf1.control_dependencies([after]):  # nobody reads the chances any more: no copy
        return tf.tensor_scatter_nd_add(chances, places, -tf.ones_like(labels, tf.float32))
