"""The graph: that it computes what gpt-2-simple computes, and what it does better."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune.arrays import Batch, FloatArray
from finetune.bases.checkpoint_files import find_weights
from finetune.errors import LossExploded
from finetune.training.graph import Graph, read_weights
from finetune.training.tensorflow_loading import (
    Precision,
    best_precision,
    cpu_precision,
    gpt2_model,
    gpu_precision,
    tf,
    tf1,
)
from finetune.training.training_pass import prediction_losses, training_pass
from model_server.checkpoint_format import Sizes

SIZES = Sizes(n_vocab=300, n_ctx=48, n_embd=32, n_head=2, n_layer=2)
WINDOW, ROWS = 40, 2
CLOSE: dict[Precision, float] = {"float32": 1e-5, "float16": 0.01, "bfloat16": 0.06}
"""Largest relative error of a gradient: float16 has 11 bits of significand, bfloat16 has 8."""


@pytest.fixture(scope="module", autouse=True)
def _small_blocks() -> Iterator[None]:
    """So that windows of a test have several of them, the last one shorter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("finetune.training.training_pass.QUERIES_AT_ONCE", 16)
        patch.setattr("finetune.training.training_pass.LOGITS_AT_ONCE", 30)
        yield


@pytest.fixture(scope="module")
def untrained(_small_blocks: None) -> Graph:
    """For tests that leave its weights alone; building a graph takes a second."""
    return graph()


def graph(
    *, rows: int = ROWS, precision: Precision = "float32", save_memory: bool = False,
    optimizer: str = "adam", seed: int = 3,
) -> Graph:  # fmt: skip
    """With weights larger than GPT-2's first ones, so that attention is not even."""
    made = Graph(
        SIZES, window=WINDOW, rows=rows, seed=seed, threads=1, precision=precision,
        save_memory=save_memory, optimizer=optimizer,  # type: ignore[arg-type]  # two words
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    made.set_weights(
        {
            name: (value + rng.normal(0, 0.15, value.shape)).astype(np.float32)
            for name, value in made.weights().items()
        }
    )
    return made


def batch(seed: int = 0, rows: int = ROWS) -> Batch:
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, SIZES.n_vocab, (rows, WINDOW + 1)).astype(np.int32)
    return tokens, rng.uniform(0, 1, (rows, WINDOW)).astype(np.float32)


def loaded(session: Any, weights: dict[str, FloatArray]) -> list[str]:
    """Names of the trainable variables, filled with these weights."""
    session.run(tf1.global_variables_initializer())
    variables = tf1.trainable_variables("model")
    names = [variable.op.name.removeprefix("model/") for variable in variables]
    for name, variable in zip(names, variables, strict=True):
        variable.load(weights[name], session)
    return names


def their_logits(tokens: Any) -> Any:
    hparams = gpt2_model.HParams(*(getattr(SIZES, name) for name in SIZES.__slots__))
    return gpt2_model.model(hparams=hparams, X=tf.constant(tokens))["logits"]


@pytest.mark.parametrize("save_memory", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_losses_and_gradients_are_those_of_gpt_2_simples_model(
    untrained: Graph, precision: Precision, save_memory: bool
) -> None:
    tokens, counts = batch()
    dtype = tf.as_dtype(precision)
    with tf.Graph().as_default(), tf1.Session() as session:
        logits = their_logits(tokens[:, :-1])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tokens[:, 1:], logits=logits)
        variables = tf1.trainable_variables("model")
        theirs = [tf.convert_to_tensor(g) for g in tf.gradients(losses * counts, variables)]
        weights = {v.op.name.removeprefix("model/"): v.read_value() for v in variables}
        ours = training_pass(
            SIZES, weights, tf.constant(tokens), tf.constant(counts),
            dtype=dtype, scale=tf.constant(4.0), save_memory=save_memory,
        )  # fmt: skip
        predicted = prediction_losses(SIZES, weights, tf.constant(tokens), dtype=dtype)
        names = loaded(session, untrained.weights())
        losses, theirs, ours_sum, ours_each, predicted = session.run(
            (losses, theirs, ours.loss_sum, [ours.gradients[n] for n in names], predicted)
        )
    np.testing.assert_allclose(predicted, losses, atol=10 * CLOSE[precision])
    assert ours_sum == pytest.approx((losses * counts).sum(), rel=CLOSE[precision])
    for name, found, gradient in zip(names, ours_each, theirs, strict=True):
        error = np.linalg.norm(found.astype(np.float32) / 4 - gradient) / np.linalg.norm(gradient)
        assert error < CLOSE[precision], (name, error)


def test_two_small_batches_make_the_step_of_a_large_one() -> None:
    large, small = graph(rows=4), graph(rows=2)
    tokens, weights = batch(rows=4)
    parts = [(tokens[:2], weights[:2]), (tokens[2:], weights[2:])]
    for _ in range(2):
        whole_loss = large.step([(tokens, weights)], 1e-3)
        assert small.step(parts, 1e-3) == pytest.approx(whole_loss, rel=1e-5)
    for name, value in large.weights().items():
        np.testing.assert_allclose(small.weights()[name], value, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_training_learns_a_batch_by_heart(optimizer: str) -> None:
    made = graph(precision=best_precision(), optimizer=optimizer)
    losses = [made.step([batch()], 3e-3) for _ in range(30)]
    assert losses[-1] < losses[0] / 3


def test_the_same_seed_gives_the_same_losses_bit_for_bit() -> None:
    runs = []
    for _ in range(2):
        made = graph(precision=best_precision())
        losses = [made.step([batch(n), batch(n + 9)], 1e-3) for n in range(3)]
        runs.append(losses + [made.step([batch(n)], 1e-3) for n in range(3)])
        made.close()
    assert runs[0] == runs[1]


@pytest.mark.parametrize(("batches", "optimizer"), [(1, "muon"), (2, "adam")])
def test_an_exploded_step_leaves_weights_and_optimizer_as_they_were(
    batches: int, optimizer: str, tmp_path: Path
) -> None:
    made = graph(optimizer=optimizer)
    made.step([batch()], 1e-3)
    made.save_optimizer(tmp_path / "before")
    before = made.weights()
    tokens, weights = batch()
    spoilt = weights.copy()
    spoilt[0, 0] = np.inf
    with pytest.raises(LossExploded, match="--rate"):
        made.step([(tokens, spoilt), *[batch()] * (batches - 1)], 1e-3)
    for name, value in made.weights().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    made.save_optimizer(tmp_path / "after")
    for name, shape in tf.train.list_variables(str(tmp_path / "before")):
        first, second = (
            tf.train.load_variable(str(tmp_path / folder), name) for folder in ("before", "after")
        )
        assert first.shape == tuple(shape)
        np.testing.assert_array_equal(first, second, err_msg=name)
    assert np.isfinite(made.step([batch()], 1e-3))


def test_float16_gives_way_when_its_range_is_too_small() -> None:
    """Its largest number is 65504, and a loss scale may push a gradient beyond."""
    made, exact = graph(precision="float16"), graph(precision="float32")
    tokens, weights = batch()
    for _ in range(3):
        loss = made.step([(tokens, 200 * weights)], 1e-3)
        assert loss == pytest.approx(exact.step([(tokens, 200 * weights)], 1e-3), rel=0.01)


def test_a_sample_is_drawn_with_the_weights_of_the_moment() -> None:
    made = graph()
    tokens = np.tile(np.arange(10, 14, dtype=np.int32), 11)[: WINDOW + 1]
    given = np.tile(tokens, (ROWS, 1)), np.ones((ROWS, WINDOW), np.float32)
    prompt = [10, 11, 12, 13, 10]
    before = made.sample(prompt, 8, temperature=0)
    for _ in range(60):
        made.step([given], 3e-3)
    assert made.sample(prompt, 8, temperature=0) == [11, 12, 13, 10, 11, 12, 13, 10] != before
    assert made.sample(prompt, 8, temperature=0, stop_id=13) == [11, 12, 13]
    assert made.sample([10], 3, temperature=0) == [11, 12, 13]


def test_a_sample_is_what_gpt_2_simples_model_finds_likeliest(untrained: Graph) -> None:
    """Step by step with past keys and values, against the whole text at once."""
    text = [5, 250, 17]
    drawn = untrained.sample(text, 12, temperature=0)
    with tf.Graph().as_default(), tf1.Session() as session:
        logits = their_logits([text + drawn])
        loaded(session, untrained.weights())
        likeliest = session.run(logits)[0].argmax(-1)
    assert drawn == likeliest[len(text) - 1 : -1].tolist()


def test_sampling_depends_on_the_seed_only_and_makes_the_graph_no_larger(untrained: Graph) -> None:
    operations = len(untrained.session.graph.get_operations())
    settings = {"temperature": 1.0, "top_k": 0}
    draws = [untrained.sample([1, 2, 3], 20, seed=seed, **settings) for seed in (1, 1, 2)]  # type: ignore[arg-type]  # a float and an int
    assert draws[0] == draws[1] != draws[2]
    assert len(untrained.session.graph.get_operations()) == operations
    few = {
        untrained.sample([1, 2, 3], 1, seed=seed, temperature=1.0, top_k=2)[0] for seed in range(30)
    }
    assert len(few) == 2


def test_a_sample_longer_than_the_window_is_refused_and_a_long_prompt_is_cut(
    untrained: Graph,
) -> None:
    long = list(range(100))
    assert untrained.sample(long, 8, temperature=0) == untrained.sample(
        long[-40:], 8, temperature=0
    )
    for prompt, length in (([], 5), ([1], SIZES.n_ctx)):
        with pytest.raises(ValueError, match="no room for one beside"):
            untrained.sample(prompt, length)


def test_weights_in_a_moved_folder_are_found(untrained: Graph, tmp_path: Path) -> None:
    untrained.save_weights(tmp_path / "here" / "model", 7)
    assert str(tmp_path) not in (tmp_path / "here" / "checkpoint").read_text(encoding="utf-8")
    moved = (tmp_path / "here").rename(tmp_path / "there")
    found = find_weights(moved)
    assert found == moved / "model-7"
    for name, value in untrained.weights().items():
        np.testing.assert_array_equal(read_weights(found)[name], value)
    assert tf.train.latest_checkpoint(str(moved)) == str(found)  # what gpt-2-simple asks


@pytest.mark.parametrize("there", ["/content/checkpoint/run1/model-7", "C:\\run1\\model-7"])
def test_weights_that_name_a_folder_of_another_machine_are_found(
    untrained: Graph, there: str, tmp_path: Path
) -> None:
    untrained.save_weights(tmp_path / "model", 7)
    escaped = there.replace("\\", "\\\\")
    (tmp_path / "checkpoint").write_text(
        f'model_checkpoint_path: "{escaped}"\nall_model_checkpoint_paths: "{escaped}"\n',
        encoding="utf-8",
    )
    assert find_weights(tmp_path) == tmp_path / "model-7"


def test_the_precision_is_what_the_machine_is_fast_at() -> None:
    assert cpu_precision("processor: 0\nflags\t\t: fpu avx512f avx512_bf16 rtm\n") == "bfloat16"
    assert cpu_precision("flags\t\t: fpu amx_bf16 amx_tile\n") == "bfloat16"
    assert cpu_precision("flags\t\t: fpu avx2 avx512f\nbugs\t: avx512_bf16\n") == "float32"
    assert cpu_precision("") == "float32"
    assert gpu_precision((8, 9)) == "bfloat16"
    assert gpu_precision((7, 5)) == "float16"
    assert gpu_precision((6, 1)) == "float32"
    assert gpu_precision(None) == "float32"
    assert Graph(SIZES, window=4, rows=1, threads=1).precision == best_precision()


def test_loading_the_graph_writes_no_page_of_notices() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import finetune.training.graph"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
