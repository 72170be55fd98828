"""The folder of a training run: which files belong to it, and which of them are whole.

Weights are `model-STEP.*` beside gpt-2-simple's own files. `training/` holds the optimizer's
state, the losses of all steps, and `progress.json`, which is written last and so always names
files that are whole. Knows no graph and no text.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from finetune.errors import FinetuneError
from model_server.checkpoint_format import write_whole

STATE_FOLDER = "training"
LOGS_FOLDER = "logs"
PROGRESS_FILE = "progress.json"
LOSSES_FILE = "losses.csv"
LOCK_FILE = "lock"
COUNTER_FILE = "counter"
LOSSES_HEADER = "step,loss,rate,tokens,seconds\n"
WEIGHTS_NAME = re.compile(r"model-(\d+)\.")


@dataclass(slots=True)
class Progress:
    """Where a run stands. `validations` holds (step, bits per byte), `saved` the steps whose
    weights this run has written, `settings` what the run must not be gone on with otherwise."""

    step: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    validations: list[tuple[int, float]] = field(default_factory=list)
    best_step: int | None = None
    finished: bool = False
    saved: list[int] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> float:
        return min((value for _, value in self.validations), default=math.inf)


@dataclass(frozen=True, slots=True)
class StepDone:
    """One step of training: mean loss in nats per token that counts, the rate that was used,
    the tokens that were read, and the seconds since the run began."""

    step: int
    loss: float
    rate: float
    tokens: int
    seconds: float

    def row(self) -> str:
        return f"{self.step},{self.loss:.6f},{self.rate:.4g},{self.tokens},{self.seconds:.2f}\n"


def read_progress(folder: Path) -> Progress | None:
    """Where the run in this folder stands, or None if there is none. Raises FinetuneError if
    the file is damaged, or of a newer BotConvo."""
    path = folder / STATE_FOLDER / PROGRESS_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        data["validations"] = [(step, value) for step, value in data["validations"]]
        if unknown := data.keys() - {known.name for known in fields(Progress)}:
            raise FinetuneError(
                f"{path} was written by a newer BotConvo (it has {', '.join(sorted(unknown))}); "
                "update this one, or begin anew with --restart."
            )
        return Progress(**data)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise FinetuneError(
            f"{path} is damaged ({error}), so this run cannot go on; begin anew with --restart."
        ) from error


def write_progress(folder: Path, progress: Progress) -> None:
    text = json.dumps(asdict(progress)).encode()
    write_whole(folder / STATE_FOLDER / PROGRESS_FILE, text)


def claim(folder: Path, settings: dict[str, Any]) -> None:
    """Makes the folder this run's before it writes any weights, so that a kill during its first
    save neither leaves them beside another run's progress, nor as weights of nobody. The old
    weights stay until newer ones are saved."""
    write_progress(folder, Progress(settings=settings))


def run_to_go_on(folder: Path, settings: dict[str, Any], otherwise: str) -> Progress | None:
    """The run in this folder, or None if none has saved anything. Raises FinetuneError if there is
    a run with other settings, or weights of no run at all; `otherwise` is what to do then."""
    before = read_progress(folder)
    if before is None:
        if weight_steps(folder):
            raise FinetuneError(f"{folder} holds weights of another run; {otherwise}.")
        return None
    if not before.settings:
        raise FinetuneError(
            f"{folder} holds a run of an older BotConvo, which did not write down with what "
            f"settings, so it cannot go on; {otherwise}."
        )
    if before.settings != settings:
        differing = [
            f"the {key} {_change(before.settings.get(key), value)}"
            for key, value in settings.items()
            if before.settings.get(key) != value
        ]
        raise FinetuneError(
            f"{folder} holds a run with other settings: {', '.join(differing)}. To go on with it "
            f"give the settings that it had; otherwise {otherwise}."
        )
    return before if before.step else None


def _change(old: Any, new: Any) -> str:
    """What is long or has no name is only said to be another."""
    shown = [value for value in (old, new) if isinstance(value, str | int) and len(str(value)) < 40]
    return f"was {old} and is now {new}" if len(shown) == 2 else "is another now"


def optimizer_prefix(folder: Path, step: int) -> Path:
    return folder / STATE_FOLDER / f"optimizer-{step}"


# --- weights -------------------------------------------------------------------------------


def weight_steps(folder: Path) -> list[int]:
    """Steps of all weights `model-STEP.index` in a folder."""
    names = [p.stem.removeprefix("model-") for p in folder.glob("model-*.index")]
    return [int(name) for name in names if name.isdigit()]


def delete_weights(folder: Path, step: int) -> None:
    for path in folder.glob(f"model-{step}.*"):
        path.unlink()


def delete_older(folder: Path, progress: Progress, keep: int) -> None:
    """Leaves this run's newest `keep` weights, the best ones, and the newest optimizer state.

    Takes everything else of the kind: what a run that was given up left, and what a kill in
    the middle of saving left half written.
    """
    kept = {*sorted(progress.saved)[-keep:], progress.step, progress.best_step}
    progress.saved = sorted(step for step in progress.saved if step in kept)
    for path in folder.glob("model-*.*"):
        found = WEIGHTS_NAME.match(path.name)
        if found and (int(found[1]) not in kept or _is_part(path)):
            path.unlink(missing_ok=True)
    newest = optimizer_prefix(folder, progress.step).name
    for path in (folder / STATE_FOLDER).glob("optimizer-*"):
        if path.name.split(".")[0] != newest or _is_part(path):
            path.unlink(missing_ok=True)


def delete_parts(folder: Path, step: int) -> None:
    """After a save that failed: what it left of a step that is not whole."""
    whole = (folder / f"model-{step}.index").exists()
    found = [*folder.glob(f"model-{step}.*"), *folder.glob("*.part")]
    state = folder / STATE_FOLDER
    found = [path for path in found if not whole or _is_part(path)]
    for path in [*found, *state.glob(f"optimizer-{step}.*"), *state.glob("*.part")]:
        with suppress(OSError):
            path.unlink()


def _is_part(path: Path) -> bool:
    """TensorFlow writes to such names first."""
    return ".tempstate" in path.name or ".tmp" in path.name or path.suffix == ".part"


# --- losses --------------------------------------------------------------------------------


class LossFile:
    """The losses of all steps as CSV. What a killed run wrote beyond its last save is dropped,
    so each step is there once."""

    def __init__(self, folder: Path, step: int) -> None:
        """`step` is the last one that counts."""
        self._path = folder / STATE_FOLDER / LOSSES_FILE
        kept = [done.row() for done in read_losses(folder) if done.step <= step]
        self._waiting = [LOSSES_HEADER, *kept]
        self._is_mine = False

    def add(self, done: StepDone) -> None:
        self._waiting.append(done.row())

    def flush(self) -> None:
        """Raises OSError."""
        text = "".join(self._waiting)
        if self._is_mine:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(text)
        else:
            write_whole(self._path, text.encode())
        self._is_mine = True
        self._waiting.clear()


def read_losses(folder: Path) -> list[StepDone]:
    """The steps of a run in order; none if there is no such file. A row that was cut off by a
    kill ends the list."""
    path = folder / STATE_FOLDER / LOSSES_FILE
    steps: list[StepDone] = []
    if not path.is_file():
        return steps
    for row in path.read_text(encoding="utf-8").removeprefix(LOSSES_HEADER).splitlines():
        try:
            step, loss, rate, tokens, seconds = row.split(",")
            steps.append(StepDone(int(step), float(loss), float(rate), int(tokens), float(seconds)))
        except ValueError:
            break
    return steps


# --- the lock ------------------------------------------------------------------------------


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder against other runs; a process that dies lets go. Raises FinetuneError if
    another one holds it, OSError if nothing can be written there."""
    state = folder / STATE_FOLDER
    state.mkdir(parents=True, exist_ok=True)
    # SQLite knows how to lock a file on every system, and lets go when its process is killed.
    lock = sqlite3.connect(state / LOCK_FILE, timeout=0, isolation_level=None)
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                raise OSError(None, str(error), str(state / LOCK_FILE)) from error
            raise FinetuneError(
                f"Another process is training in {folder}; wait for its end or stop it with "
                "Ctrl-C, or give another folder with --out."
            ) from error
        yield
    finally:
        lock.close()
