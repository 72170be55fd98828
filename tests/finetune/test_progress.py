"""What is seen of a training run, and Ctrl-C at an odd moment."""

from __future__ import annotations

import io
import signal

from finetune.training.loop import Plan
from finetune.training.progress import ProgressBar
from finetune.training.run_folder import Progress, StepDone


class Interrupted(io.RawIOBase):
    """A stream whose user presses Ctrl-C while the first line is written to it."""

    def __init__(self) -> None:
        self.text = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # bytes are enough here
        if not self.text:
            self.text += bytes(data)
            signal.raise_signal(signal.SIGINT)
        else:
            self.text += bytes(data)
        return len(data)


def test_ctrl_c_while_a_line_is_printed_stops_after_the_step_and_is_confirmed() -> None:
    raw = Interrupted()
    out = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")
    with ProgressBar("Dex", out) as bar:
        bar.stepped(StepDone(1, 2.0, 0.1, 10, 0.5), Progress(step=1), Plan(steps=9, rate=0.1))
        bar.saved(1)
        assert bar.stop_asked()
        assert bar.stop_asked()
    assert raw.text.decode().splitlines() == [
        "Dex: step 1 saved", "Dex: stopping after this step; everything is saved",
    ]  # fmt: skip
