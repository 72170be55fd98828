"""The `curve` part of the training benchmark: held-out bits per byte against tokens seen, for one
friend of the sample chat, from one base, ours beside gpt-2-simple's `finetune()`.

Both learn the same messages in the monologue style, each in its own form of it: `finetune()` cuts
windows of 1,024 tokens anywhere out of all messages laid end to end; ours packs whole messages.
The held-out messages are the same, and so is the measure: bits of their text and of its end, over
the bytes of the text and one for the end.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from serving_peers import alone

if TYPE_CHECKING:
    from finetune.dataset import CleanCorpus

FRIEND = "Priya"
THEIR_POINTS = 8
"""Checkpoints of `finetune()` along its run."""
RATE = 1e-4
"""finetune's own."""
WINDOW = 1024
TOKENS_PER_STEP = 2048
"""Of ours."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a contestant is given. `tokens` is the length of the run."""

    base: Path
    corpus: Path
    work: Path
    tokens: int
    threads: int


Points = list[tuple[int, float]]
"""Tokens seen, and held-out bits per byte."""


def curve(run: Run, rates: tuple[float, ...] = (RATE,)) -> dict[str, Points]:
    """The points of all contestants, `finetune()` once for each rate."""
    found = {"ours": alone(our_points, run)}
    for rate in rates:
        found[f"finetune(), rate {rate:g}"] = alone(their_points, run, rate)
    return found


def report(found: dict[str, Points]) -> None:
    """Each of their points beside ours at the same number of tokens, or fewer."""
    ours = found.pop("ours")
    for name, points in found.items():
        print(f"\n  {'tokens seen':>12} {'ours':>8} {name:>24}")
        worse = 0
        for tokens, theirs in points:
            mine = at(ours, tokens)
            worse += mine > theirs
            print(f"  {tokens:>12,} {mine:>8.3f} {theirs:>24.3f}")
        best = min(value for _, value in ours), min(value for _, value in points)
        print(f"  {'best':>12} {best[0]:>8.3f} {best[1]:>24.3f}")
        print(f"  ours is lower at {len(points) - worse} of {len(points)} points")


def at(points: Points, tokens: int) -> float:
    """The last value after at most so many tokens."""
    return next((value for seen, value in reversed(points) if seen <= tokens), points[0][1])


def our_points(run: Run) -> Points:
    """`botconvo train` as its user calls it, but without early stopping, so that the curve goes
    on."""
    steps = max(1, run.tokens // TOKENS_PER_STEP)
    checkpoints = run.work / "ours"
    subprocess.run(
        [
            sys.executable, "-m", "finetune", "train", FRIEND, "--style", "monologue",
            "--base", run.base.name, "--models", run.base.parent, "--corpus", run.corpus,
            "--checkpoints", checkpoints, "--steps", str(steps), "--no-early-stop",
            "--threads", str(run.threads), "--keep", "1",
        ],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    [progress] = checkpoints.glob("*/training/progress.json")
    validations = json.loads(progress.read_text(encoding="utf-8"))["validations"]
    [untrained] = scores_of(run, [run.base / "model.ckpt"], ends_with_token=True)
    return [(0, untrained), *((step * TOKENS_PER_STEP, value) for step, value in validations)]


def clean(run: Run) -> CleanCorpus:
    """The sample chat, imported once."""
    from finetune.corpus import Corpus
    from finetune.dataset import CleanCorpus

    with Corpus.open(run.corpus) as corpus:
        return CleanCorpus.read(corpus)


def their_points(run: Run, rate: float) -> Points:
    """gpt_2_simple.finetune() on the CSV that `botconvo dataset` writes for it."""
    import_module("finetune.training.tensorflow_loading")  # without TensorFlow's page of notices
    import gpt_2_simple as gpt_2

    text = run.work / "messages.csv"
    lines = [line for s in clean(run).parts.training for line in s if line.person == FRIEND]
    with text.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *([line.text] for line in lines)])
    steps = run.tokens // WINDOW
    every = max(1, steps // THEIR_POINTS)
    name = f"theirs-{rate:g}"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        gpt_2.finetune(
            gpt_2.start_tf_sess(threads=run.threads or -1), str(text), steps=steps,
            model_name=run.base.name, model_dir=str(run.base.parent),
            checkpoint_dir=str(run.work), run_name=name, restore_from="fresh", batch_size=1,
            accumulate_gradients=1, learning_rate=rate, sample_every=10**9, save_every=every,
            max_checkpoints=THEIR_POINTS + 2,
        )  # fmt: skip
    saved = sorted(
        {int(p.stem.removeprefix("model-")) for p in (run.work / name).glob("model-*.index")}
    )
    prefixes = [run.work / name / f"model-{step}" for step in saved]
    values = scores_of(run, [run.base / "model.ckpt", *prefixes], ends_with_token=False)
    return list(zip([0, *(step * WINDOW for step in saved)], values, strict=True))


def scores_of(run: Run, prefixes: list[Path], *, ends_with_token: bool) -> list[float]:
    """Held-out bits per byte of the weights saved under these prefixes."""
    from finetune.evaluation.held_out import score
    from finetune.training.graph import Graph
    from model_server.checkpoint_format import Codec, Manifest, Sizes

    sizes = Sizes.read(run.base)
    form = Manifest(end_of_text="token" if ends_with_token else "pieces")
    graph = Graph(sizes, window=sizes.n_ctx, rows=1, threads=run.threads)
    found = []
    for prefix in prefixes:
        graph.restore_weights(prefix)
        result = score(
            graph, clean(run).parts.validation, FRIEND, form, Codec.read(run.base),
            rows=1, window=sizes.n_ctx,
        )  # fmt: skip
        assert result is not None
        found.append(result.bits_per_byte)
    graph.close()
    return found
