"""gpt-2-simple's model in a TensorFlow session, with a training step of our own.

It knows token ids and weights, and nothing of friends, text or files other than TensorFlow's
own. Where it differs from `gpt_2_simple.finetune`: any window length, a loss weight per token,
gradient accumulation with the exact mean over all tokens, clipping, Muon beside Adam, matrix
products in the precision that the machine is fast at, and the pass of training_pass.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from finetune.arrays import Batch, FloatArray, IntArray, Weights
from finetune.errors import LossExploded
from finetune.training.optimizers import EXPLODED, Optimizer, Update
from finetune.training.tensorflow_loading import (
    Precision,
    best_precision,
    gpt2_model,
    session_config,
    tf,
    tf1,
)
from finetune.training.training_pass import prediction_losses, training_pass
from model_server.checkpoint_format import Sizes

FIRST_LOSS_SCALE = 2.0**15
"""With float16 only, as in NVIDIA's "Train With Mixed Precision"; a step that overflows is done
again with half of it."""


class Graph:
    """A GPT-2 of the given sizes in a session of its own, ready to train, to evaluate and to
    speak.

    `rows` is the number of windows of one forward pass; all arrays of token ids have the
    shape [rows, window + 1]: position t is the input that predicts position t + 1, and
    `weights` [rows, window] says how much each prediction counts.

    `precision` None takes what the machine is fast at. `save_memory` trades a few percent of
    speed for memory. The same seed, threads and batches give the same losses bit for bit.
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
        precision: Precision | None = None,
        save_memory: bool = False,
    ) -> None:
        self.precision: Precision = precision or best_precision()
        self._sizes = sizes
        self._loss_scale = FIRST_LOSS_SCALE if self.precision == "float16" else 1.0
        self._graph = tf.Graph()
        with self._graph.as_default():
            tf1.set_random_seed(seed)
            self._build(window, rows, optimizer, save_memory)
            self.session = tf1.Session(config=session_config(threads))
            self.session.run(tf1.global_variables_initializer())

    # --- building -------------------------------------------------------------------------

    def _build(self, window: int, rows: int, optimizer: Optimizer, save_memory: bool) -> None:
        self._tokens = tf1.placeholder(tf.int32, [rows, window + 1], "tokens")
        self._weights = tf1.placeholder(tf.float32, [rows, window], "weights")
        self._rate = tf1.placeholder(tf.float32, [], "rate")
        self._scale = tf1.placeholder(tf.float32, [], "loss_scale")
        self._build_speaking()
        self._variables = tf1.trainable_variables("model")
        self._weights_saver = tf1.train.Saver(
            self._variables, max_to_keep=None, save_relative_paths=True
        )
        before = set(tf1.global_variables())
        names = [v.op.name.removeprefix("model/") for v in self._variables]
        values = dict(zip(names, self._variables, strict=True))
        dtype = tf.as_dtype(self.precision)
        losses = prediction_losses(self._sizes, values, self._tokens, dtype=dtype)
        self._losses = losses * self._weights
        found = training_pass(
            self._sizes,
            {n: v.read_value() for n, v in values.items()},
            self._tokens,
            self._weights,
            dtype=dtype,
            scale=self._scale,
            save_memory=save_memory,
        )
        self._loss_sum = found.loss_sum
        self._build_step([found.gradients[name] for name in names], optimizer)
        self._state_saver = tf1.train.Saver(
            [v for v in tf1.global_variables() if v not in before], max_to_keep=1
        )

    def _build_speaking(self) -> None:
        """gpt-2-simple's own model, which makes the variables and draws continuations."""
        sizes = self._sizes
        hparams = gpt2_model.HParams(
            sizes.n_vocab, sizes.n_ctx, sizes.n_embd, sizes.n_head, sizes.n_layer
        )
        self._spoken = tf1.placeholder(tf.int32, [1, None], "spoken")
        self._past = tf1.placeholder(
            tf.float32, gpt2_model.past_shape(hparams=hparams, batch_size=1), "past"
        )
        self._speaking = gpt2_model.model(hparams=hparams, X=self._spoken, past=self._past)

    def _build_step(self, gradients: list[Any], optimizer: Optimizer) -> None:
        """Two ways to one update: `_train` for a single batch, which needs no accumulators, and
        `_first`, `_further` and `_apply` for several."""
        local = {"trainable": False, "collections": [tf1.GraphKeys.LOCAL_VARIABLES]}
        sums = [
            tf1.get_variable(f"accumulated/{v.op.name}", initializer=tf.zeros(v.shape), **local)
            for v in self._variables
        ]
        total = tf1.get_variable("accumulated_weight", initializer=tf.zeros([]), **local)
        weight = tf.reduce_sum(self._weights)
        self._first = self._added("assign", [*sums, total], [*gradients, weight])
        self._further = self._added("assign_add", [*sums, total], [*gradients, weight])
        update = Update(optimizer, self._rate, self._variables)
        self._train = update.applied(gradients, weight * self._scale)
        self._apply = update.applied([s.read_value() for s in sums], total * self._scale)

    def _added(self, how: str, sums: list[Any], terms: list[Any]) -> Any:
        added = [
            getattr(found, how)(tf.cast(term, tf.float32)).op
            for found, term in zip(sums, terms, strict=True)
        ]
        with tf1.control_dependencies(added):
            return tf.identity(self._loss_sum)

    # --- learning -------------------------------------------------------------------------

    def step(self, batches: list[Batch], rate: float) -> float:
        """One optimizer step over all batches together; mean loss in nats per unit weight.

        Raises LossExploded, with the weights and the optimizer as they were, if the loss or the
        gradient is no finite number.
        """
        while True:
            try:
                return self._step(batches, rate)
            except LossExploded:
                if self._loss_scale <= 1:
                    raise
                self._loss_scale /= 2

    def _step(self, batches: list[Batch], rate: float) -> float:
        settings = {self._rate: rate, self._scale: self._loss_scale}
        try:
            if len(batches) == 1:
                feed = settings | self._feed(*batches[0])
                loss, _ = self.session.run([self._loss_sum, self._train], feed)
            else:
                loss = 0.0
                for number, (tokens, weights) in enumerate(batches):
                    add = self._further if number else self._first
                    loss += float(self.session.run(add, settings | self._feed(tokens, weights)))
                self.session.run(self._apply, settings)
        except tf.errors.InvalidArgumentError as error:
            if EXPLODED not in error.message:
                raise
            raise LossExploded(
                "The training step met numbers beyond all bounds; train on from the last "
                "save with a smaller --rate."
            ) from None
        return float(loss) / max(sum(float(w.sum()) for _, w in batches), 1e-9)

    def losses(self, tokens: IntArray, weights: FloatArray) -> FloatArray:
        """Weighted loss of every prediction in nats, shape [rows, window]."""
        result: FloatArray = self.session.run(self._losses, self._feed(tokens, weights))
        return result

    def _feed(self, tokens: IntArray, weights: FloatArray) -> dict[Any, Any]:
        return {self._tokens: tokens, self._weights: weights}

    # --- speaking -------------------------------------------------------------------------

    def sample(
        self,
        prompt_ids: list[int],
        length: int,
        *,
        temperature: float = 0.7,
        top_k: int = 40,
        seed: int = 0,
        stop_id: int | None = None,
    ) -> list[int]:
        """A continuation drawn with the weights of this moment, without the prompt.

        It has `length` tokens, or fewer and `stop_id` last. Of a prompt too long for the window
        the end counts; temperature 0 takes the likeliest token, top_k 0 draws from all. Raises
        ValueError for an empty prompt or a length that leaves no room for one.
        """
        room = self._sizes.n_ctx - length
        if not prompt_ids or room < 1:
            raise ValueError(f"no prompt, or no room for one beside {length} new tokens")
        rng = np.random.default_rng(seed)
        *before, last = prompt_ids[-room:]
        past = self._nothing_said()
        if before:
            past = self.session.run(
                self._speaking["present"], {self._spoken: [before], self._past: past}
            )
        drawn: list[int] = []
        while len(drawn) < length and (not drawn or last != stop_id):
            logits, present = self.session.run(
                (self._speaking["logits"], self._speaking["present"]),
                {self._spoken: [[last]], self._past: past},
            )
            last = _draw(logits[0, 0], temperature, top_k, rng)
            drawn.append(last)
            past = np.concatenate([past, present], axis=-2)
        return drawn

    def _nothing_said(self) -> FloatArray:
        return np.zeros([size or 0 for size in self._past.shape.as_list()], np.float32)

    # --- files ----------------------------------------------------------------------------

    def save_weights(self, prefix: Path, step: int | None = None) -> None:
        """Writes TensorFlow checkpoint files that gpt-2-simple's loader restores, and makes
        the folder's `checkpoint` file name them, without the folder, so that it can be moved."""
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

    def weights(self) -> Weights:
        values = self.session.run(self._variables)
        names = [v.op.name.removeprefix("model/") for v in self._variables]
        return dict(zip(names, values, strict=True))

    def set_weights(self, weights: Weights) -> None:
        for variable in self._variables:
            variable.load(weights[variable.op.name.removeprefix("model/")], self.session)

    def close(self) -> None:
        self.session.close()


def read_weights(prefix: Path) -> Weights:
    """All weights of a TensorFlow checkpoint."""
    reader = tf.train.load_checkpoint(str(prefix))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("model/")]
    return {name.removeprefix("model/"): reader.get_tensor(name) for name in names}


def _draw(logits: FloatArray, temperature: float, top_k: int, rng: np.random.Generator) -> int:
    if temperature <= 0:
        return int(logits.argmax())
    if 0 < top_k < len(logits):
        least = np.partition(logits, -top_k)[-top_k]
        logits = np.where(logits < least, -np.inf, logits)
    scaled = (logits.astype(np.float64) - logits.max()) / temperature
    chances = np.exp(scaled)
    return int(rng.choice(len(chances), p=chances / chances.sum()))
