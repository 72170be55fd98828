"""A run's curve for TensorBoard: losses, rate, speed, validations and sample lines.

Written with TensorFlow's own FileWriter into `training/logs`; one file per call of the command.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from finetune.training.loop import Audience, Plan
from finetune.training.run_folder import LOGS_FOLDER, STATE_FOLDER, Progress, StepDone
from finetune.training.tensor_files import writing
from finetune.training.tensorflow_loading import tf1


class EventLog:
    """An events file. What an earlier file holds beyond `step` is told to be void, so a run
    that was killed and went on shows one curve. All but leaving raise OSError."""

    def __init__(self, folder: Path, step: int) -> None:
        logs = folder / STATE_FOLDER / LOGS_FOLDER
        with tf1.Graph().as_default():  # the writer refuses eager mode
            self._writer: Any = tf1.summary.FileWriter(str(logs))
        self._logs = logs
        start = tf1.SessionLog(status=tf1.SessionLog.START)
        self._writer.add_session_log(start, step + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        with suppress(OSError), writing(self._logs):
            self._writer.close()

    def step(self, done: StepDone, tokens_per_second: float) -> None:
        values = {"loss": done.loss, "rate": done.rate, "tokens_per_second": tokens_per_second}
        self._add(done.step, [_number(f"training/{name}", n) for name, n in values.items()])

    def validation(self, step: int, bits_per_byte: float) -> None:
        self._add(step, [_number("validation/bits_per_byte", bits_per_byte)])

    def text(self, step: int, text: str) -> None:
        plugin = tf1.SummaryMetadata.PluginData(plugin_name="text")
        value = tf1.Summary.Value(
            tag="sample",
            metadata=tf1.SummaryMetadata(plugin_data=plugin),
            tensor=tf1.make_tensor_proto(text.encode()),
        )
        self._add(step, [value])

    def flush(self) -> None:
        with writing(self._logs):
            self._writer.flush()

    def _add(self, step: int, values: list[Any]) -> None:
        with writing(self._logs):
            self._writer.add_summary(tf1.Summary(value=values), step)


def _number(tag: str, value: float) -> Any:
    return tf1.Summary.Value(tag=tag, simple_value=value)


class Logged:
    """Passes on to an audience what a run tells, and writes it to the log."""

    def __init__(self, audience: Audience, log: EventLog) -> None:
        self._audience = audience
        self._log: EventLog | None = log
        self._seconds = math.nan

    def stepped(self, done: StepDone, progress: Progress, plan: Plan) -> None:
        took, self._seconds = done.seconds - self._seconds, done.seconds
        speed = done.tokens / took if took > 0 else math.nan
        self._write(lambda log: log.step(done, speed))
        self._audience.stepped(done, progress, plan)

    def validated(self, step: int, bits_per_byte: float) -> None:
        self._write(lambda log: log.validation(step, bits_per_byte))
        self._audience.validated(step, bits_per_byte)

    def said(self, step: int, text: str) -> None:
        self._write(lambda log: log.text(step, text))
        self._audience.said(step, text)

    def saved(self, step: int) -> None:
        self._write(lambda log: log.flush())
        self._audience.saved(step)

    def stop_asked(self) -> bool:
        return self._audience.stop_asked()

    def _write(self, entry: Callable[[EventLog], None]) -> None:
        """A curve that cannot be written must not end the training that it shows."""
        if self._log is None:
            return
        try:
            entry(self._log)
        except OSError as error:
            self._log = None
            self._audience.warned(
                f"TensorBoard's log cannot be written ({error.strerror}); training goes on."
            )
