"""gpt-2-simple's TensorFlow graph with a training step of our own.

The only file of the package that imports TensorFlow and gpt-2-simple. It knows token ids
and weights, and nothing of friends, text or files other than TensorFlow's own.

Where it differs from `gpt_2_simple.finetune`: any window length, a loss weight per token,
gradient accumulation with the exact mean over all tokens, clipping, Muon beside Adam, and
bfloat16 matrix products on the CPU.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal


@contextmanager
def _native_log_kept() -> Iterator[None]:
    """TensorFlow's C++ side writes a page of notices about CUDA and oneDNN before any of its
    settings can silence it. They go to a file, and come out only if loading fails."""
    with tempfile.TemporaryFile() as kept:
        stderr = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _native_log_kept():
    import gpt_2_simple.src.model as gpt2_model
    import tensorflow as tf
    from tensorflow.core.protobuf import rewriter_config_pb2

    tf.config.list_physical_devices()

from finetune.arrays import Batch, FloatArray, IntArray
from model_server.checkpoint_format import Sizes

tf1 = tf.compat.v1
tf1.logging.set_verbosity(tf1.logging.ERROR)

Optimizer = Literal["adam", "muon"]


MUON_SHARE_OF_RATE = 10.0
"""Muon's step is a matrix with singular values near 1, so its rate is larger than Adam's.
0.02 beside Adam's 0.002 is the pair that K. Jordan's Muon and nanochat use."""
MUON_MOMENTUM = 0.95
ADAM_BETA_2 = 0.98
CLIP_NORM = 1.0


class Graph:
    """A GPT-2 of the given sizes in a session of its own, ready to train and to evaluate.

    `rows` is the number of windows of one forward pass; all arrays of token ids have the
    shape [rows, window + 1]: position t is the input that predicts position t + 1, and
    `weights` [rows, window] says how much each prediction counts.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        window: int,
        rows: int,
        optimizer: Optimizer = "adam",
        seed: int = 0,
        threads: int = 0,
    ) -> None:
        self._graph = tf.Graph()
        with self._graph.as_default():
            tf1.set_random_seed(seed)
            self._build(sizes, window, rows, optimizer)
            self.session = tf1.Session(config=_session_config(threads))
            self.session.run(tf1.global_variables_initializer())

    def _build(self, sizes: Sizes, window: int, rows: int, optimizer: Optimizer) -> None:
        self._tokens = tf1.placeholder(tf.int32, [rows, window + 1], "tokens")
        self._weights = tf1.placeholder(tf.float32, [rows, window], "weights")
        self._rate = tf1.placeholder(tf.float32, [], "rate")
        hparams = gpt2_model.HParams(
            sizes.n_vocab, sizes.n_ctx, sizes.n_embd, sizes.n_head, sizes.n_layer
        )
        logits = gpt2_model.model(hparams=hparams, X=self._tokens[:, :-1])["logits"]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=self._tokens[:, 1:], logits=logits
        )
        self._losses = losses * self._weights
        loss_sum = tf.reduce_sum(self._losses)
        self._variables = tf1.trainable_variables("model")
        self._weights_saver = tf1.train.Saver(self._variables, max_to_keep=None)
        before = set(tf1.global_variables())
        self._build_step(loss_sum, optimizer)
        self._state_saver = tf1.train.Saver(
            [v for v in tf1.global_variables() if v not in before], max_to_keep=1
        )

    def _build_step(self, loss_sum: Any, optimizer: Optimizer) -> None:
        gradients = tf.gradients(loss_sum, self._variables)
        # The gradient of the token embedding is sparse on the input side and dense on the
        # output side; adding it up needs one dense tensor.
        gradients = [tf.convert_to_tensor(g) for g in gradients]
        sums = [
            tf1.get_variable(
                f"accumulated/{v.op.name}", v.shape, initializer=tf1.zeros_initializer(),
                trainable=False, collections=[tf1.GraphKeys.LOCAL_VARIABLES],
            )
            for v in self._variables
        ]  # fmt: skip
        total = tf1.get_variable(
            "accumulated_weight", [], initializer=tf1.zeros_initializer(), trainable=False,
            collections=[tf1.GraphKeys.LOCAL_VARIABLES],
        )  # fmt: skip
        weight = tf.reduce_sum(self._weights)
        added = [s.assign_add(g).op for s, g in zip(sums, gradients, strict=True)]
        with tf1.control_dependencies([*added, total.assign_add(weight).op]):
            self._accumulate = tf.identity(loss_sum)
        self._reset = tf.group(*[v.initializer for v in [*sums, total]])
        means = [s / tf.maximum(total, 1e-9) for s in sums]
        clipped, self._norm = tf.clip_by_global_norm(means, CLIP_NORM)
        self._apply = self._update(list(zip(clipped, self._variables, strict=True)), optimizer)
        self._loss_sum = loss_sum

    def _update(self, pairs: list[tuple[Any, Any]], optimizer: Optimizer) -> Any:
        adam = tf1.train.AdamOptimizer(self._rate, beta2=ADAM_BETA_2)
        hidden = [(g, v) for g, v in pairs if optimizer == "muon" and _is_hidden_matrix(v)]
        others = [(g, v) for g, v in pairs if not any(v is m for _, m in hidden)]
        muon_rate = self._rate * MUON_SHARE_OF_RATE
        return tf.group(adam.apply_gradients(others), *[_muon(g, v, muon_rate) for g, v in hidden])

    def step(self, batches: list[Batch], rate: float) -> float:
        """One optimizer step over all batches together; mean loss in nats per unit weight."""
        self.session.run(self._reset)
        loss = 0.0
        for tokens, weights in batches:
            loss += float(self.session.run(self._accumulate, self._feed(tokens, weights)))
        self.session.run(self._apply, {self._rate: rate})
        return loss / max(sum(float(w.sum()) for _, w in batches), 1e-9)

    def losses(self, tokens: IntArray, weights: FloatArray) -> FloatArray:
        """Weighted loss of every prediction in nats, shape [rows, window]."""
        result: FloatArray = self.session.run(self._losses, self._feed(tokens, weights))
        return result

    def _feed(self, tokens: IntArray, weights: FloatArray) -> dict[Any, Any]:
        return {self._tokens: tokens, self._weights: weights}

    def save_weights(self, prefix: Path, step: int | None = None) -> None:
        """Writes TensorFlow checkpoint files that gpt-2-simple's loader restores, and makes
        the folder's `checkpoint` file name them."""
        prefix.parent.mkdir(parents=True, exist_ok=True)
        self._weights_saver.save(self.session, str(prefix), global_step=step)

    def restore_weights(self, prefix: Path) -> None:
        self._weights_saver.restore(self.session, str(prefix))

    def save_optimizer(self, prefix: Path) -> None:
        self._state_saver.save(
            self.session, str(prefix), write_meta_graph=False, write_state=False
        )  # fmt: skip

    def restore_optimizer(self, prefix: Path) -> None:
        self._state_saver.restore(self.session, str(prefix))

    def weights(self) -> dict[str, FloatArray]:
        """All weights by gpt-2-simple's names without the `model/` in front."""
        values = self.session.run(self._variables)
        names = [v.op.name.removeprefix("model/") for v in self._variables]
        return dict(zip(names, values, strict=True))

    def set_weights(self, weights: dict[str, FloatArray]) -> None:
        for variable in self._variables:
            variable.load(weights[variable.op.name.removeprefix("model/")], self.session)

    def close(self) -> None:
        self.session.close()


def latest_checkpoint(folder: Path) -> Path | None:
    """Prefix of the newest weights in a folder, as gpt-2-simple itself finds it."""
    prefix = tf.train.latest_checkpoint(str(folder))
    return Path(prefix) if prefix else None


def read_weights(prefix: Path) -> dict[str, FloatArray]:
    """All weights of a TensorFlow checkpoint, by name without the `model/` in front."""
    reader = tf.train.load_checkpoint(str(prefix))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("model/")]
    return {name.removeprefix("model/"): reader.get_tensor(name) for name in names}


def _session_config(threads: int) -> Any:
    config = tf1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1 if threads else 0
    )
    config.gpu_options.allow_growth = True
    rewrites = config.graph_options.rewrite_options
    rewrites.layout_optimizer = rewriter_config_pb2.RewriterConfig.OFF
    rewrites.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
    return config


def _is_hidden_matrix(variable: Any) -> bool:
    return "/h" in variable.op.name and variable.op.name.endswith("/w")


def _muon(gradient: Any, variable: Any, rate: Any) -> Any:
    """Muon's update of one matrix [1, inputs, outputs].

    Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks"
    (2024): Nesterov momentum, made orthogonal by five Newton-Schulz steps, scaled by
    sqrt(max(1, outputs / inputs)).
    """
    momentum = tf1.get_variable(
        f"muon/{variable.op.name}", variable.shape, initializer=tf1.zeros_initializer(),
        trainable=False,
    )  # fmt: skip
    averaged = momentum.assign(MUON_MOMENTUM * momentum + (1 - MUON_MOMENTUM) * gradient)
    blended = MUON_MOMENTUM * averaged + (1 - MUON_MOMENTUM) * gradient
    inputs, outputs = variable.shape.as_list()[1:]
    direction = tf.reshape(blended, [inputs, outputs])
    scale = max(1.0, outputs / inputs) ** 0.5
    update = tf.reshape(_orthogonal(direction), [1, inputs, outputs]) * scale
    return variable.assign_sub(rate * update).op


def _orthogonal(matrix: Any) -> Any:
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = tf.transpose(matrix) if tall else matrix
    x = x / (tf.norm(x) + 1e-7)
    for _ in range(5):
        gram = tf.matmul(x, x, transpose_b=True)
        x = a * x + tf.matmul(b * gram + c * tf.matmul(gram, gram), x)
    return tf.transpose(x) if tall else x
