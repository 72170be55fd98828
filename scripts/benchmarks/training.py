"""Training beside gpt-2-simple's own `finetune`, on a 124M model with random weights.

Each contestant runs in processes of its own, one at a time, and they take turns, since the
ratios are what counts on a machine that others use too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from random_checkpoint import SIZES, make_checkpoint
from serving_peers import alone
from training_contestants import RATE, Steps, our_steps, their_steps
from training_curve import FRIEND, Run, curve, report

LEAST_SPEED, LEAST_SPEED_SAVING, MOST_MEMORY_SAVING = 1.4, 0.9, 2 / 3
"""Of gpt-2-simple's."""
THEIRS, OURS, SAVING = "gpt-2-simple's finetune()", "ours", "ours, saving memory"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how much to measure."""

    work: Path
    text: Path
    threads: int
    steps: int
    rounds: int
    base: Path | None
    tokens: int


@dataclass(slots=True)
class Found:
    """What one contestant's runs gave, one entry a round."""

    runs: list[Steps] = field(default_factory=list)

    @property
    def tokens_per_second(self) -> list[float]:
        return [SIZES.n_ctx / median(run.seconds) for run in self.runs]

    @property
    def peak_gigabytes(self) -> float:
        return max(run.peak_gigabytes for run in self.runs)


# --- the parts ----------------------------------------------------------------------------


def speed(bench: Bench) -> None:
    """Tokens per second of the same batch size, and the peak memory of each process."""
    print(
        f"One window of {SIZES.n_ctx} tokens a step, threads: {bench.threads or 'all'}, "
        f"{bench.rounds} rounds of {bench.steps} steps, without the first step of each run",
        flush=True,
    )
    folder = bench.work / "base"
    alone(make_checkpoint, folder, 0, True)
    contestants: dict[str, Callable[[], Steps]] = {
        THEIRS: lambda: alone(their_steps, folder, bench.text, bench.steps, bench.threads),
        OURS: lambda: alone(our_steps, folder, bench.text, bench.steps, bench.threads, False),
        SAVING: lambda: alone(our_steps, folder, bench.text, bench.steps, bench.threads, True),
    }
    found = {name: Found() for name in contestants}
    for number in range(bench.rounds):
        for name, run in contestants.items():
            found[name].runs.append(run())
            print(f"  round {number + 1}: {_line(name, found[name], -1)}", flush=True)
    print()
    for name in contestants:
        print("  " + _line(name, found[name], None))
    print()
    theirs = found[THEIRS]
    for name, least, most in (
        (OURS, LEAST_SPEED, 1.0),
        (SAVING, LEAST_SPEED_SAVING, MOST_MEMORY_SAVING),
    ):
        ratios = [
            a / b
            for a, b in zip(found[name].tokens_per_second, theirs.tokens_per_second, strict=True)
        ]
        memory = found[name].peak_gigabytes / theirs.peak_gigabytes
        _ratio(f"{name}: speed / theirs, median of rounds", median(ratios), at_least=least)
        _ratio(f"{name}: peak memory / theirs", memory, at_most=most)


def _line(name: str, found: Found, number: int | None) -> str:
    runs = found.runs if number is None else [found.runs[number]]
    tokens = median(Found(runs).tokens_per_second)
    cpu = median(second for run in runs for second in run.cpu_seconds)
    peak = Found(runs).peak_gigabytes
    precision = runs[0].precision
    return (
        f"{name:<26} {precision:<9} {tokens:8.1f} tokens/s {cpu:7.2f} CPU seconds/step "
        f"{peak:6.2f} GB peak"
    )


def _ratio(
    name: str, value: float, *, at_least: float | None = None, at_most: float | None = None
) -> None:
    if at_least is not None:
        target = f"at least {at_least:.2f}: {'met' if value >= at_least else 'MISSED'}"
    else:
        assert at_most is not None
        target = f"at most {at_most:.2f}: {'met' if value <= at_most else 'MISSED'}"
    print(f"  {name:<52} {value:6.2f}   {target}")


def learning_curve(bench: Bench) -> None:
    """Held-out bits per byte against tokens seen."""
    if bench.base is None:
        print(
            "curve: left out; it needs --base FOLDER, a base model with a window of 1,024 tokens "
            "such as: botconvo base scratch TEXT --window 1024 --rows 4 --name NAME"
        )
        return
    sample = Path("orchestrator/demo/sample_chat.json")
    corpus = bench.work / "corpus.sqlite"
    subprocess.run(
        [sys.executable, "-m", "finetune", "import", sample, "--corpus", corpus],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    print(f"\nHeld-out bits per byte of {FRIEND} in the sample chat, base {bench.base.name}")
    run = Run(bench.base.resolve(), corpus, bench.work, bench.tokens, bench.threads)
    report(curve(run, (RATE, 4 * RATE)))


PARTS: dict[str, Callable[[Bench], None]] = {"speed": speed, "curve": learning_curve}
"""A part is a function of a module of its own or of this one, by the name that --part takes."""


# --- the whole ----------------------------------------------------------------------------


def parts_of(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(PARTS)}")
    return names


def at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is no whole number from {least} on")
        return int(text)

    return read


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench train", description="Benchmarks of training."
    )
    parser.add_argument("--steps", type=at_least(2), default=6, help="of a run (default: 6)")
    parser.add_argument("--rounds", type=at_least(1), default=2, help="default: 2")
    parser.add_argument(
        "--part", type=parts_of, default=list(PARTS), metavar="PART,...",
        help=f"of {', '.join(PARTS)} (default: all)",
    )  # fmt: skip
    parser.add_argument("--threads", type=at_least(0), default=0, help="default: all cores")
    parser.add_argument(
        "--text", type=Path, metavar="FILE", help="to train on (default: the sample chat)"
    )
    parser.add_argument("--base", type=Path, metavar="FOLDER", help="that the curve begins with")
    parser.add_argument(
        "--tokens", type=at_least(8192), default=131_072, help="length of the curve"
    )
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keeps the checkpoint there")
    arguments = parser.parse_args()
    text = arguments.text or Path("orchestrator/demo/sample_chat.json")
    if not text.is_file():
        parser.error(f"there is no file {text}; name a text to train on with --text")
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        bench = Bench(
            work.resolve(), text.resolve(), arguments.threads, arguments.steps, arguments.rounds,
            arguments.base, arguments.tokens,
        )  # fmt: skip
        for name in arguments.part:
            PARTS[name](bench)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
