"""A show on a web page for tests of the page: the real command in a process of its own, echoing
model servers, and a past in the transcript to scroll back through."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.transcript import Transcript
from orchestrator.transcript.file import transcript_path

FRIENDS = ("Dex", "Juno", "Marlow", "Priya")
SPEAK_IN_A_ROW = 3
"""Lines, after which the friends wait for a person: a page in a test is at rest."""
START_SECONDS = 60
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script> & so on"
MARKUP_LINE = 10
DISCORD_LINE = 20
"""What a person said elsewhere, with two reactions."""
FIRST_DAY = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
# Words of no particular language: nobody has to load spaCy.
SETTINGS = """
language = "xx"
[limits]
lines_in_a_row = {in_a_row}
[servers]
engine = "echo"
first_port = 0
[[stages]]
platform = "web"
port = {port}
"""


def past(count: int) -> Iterator[tuple[str, str, datetime]]:
    """Speaker, text and time of each line: two minutes apart, so that days go by."""
    for number in range(1, count + 1):
        speaker = FRIENDS[number // 2 % len(FRIENDS)]
        text = MARKUP if number == MARKUP_LINE else f"Soup number {number} is a soup."
        yield speaker, text, FIRST_DAY + timedelta(minutes=2 * number)


class WebShow:
    """The show in the folder `home`, at the same address each time that it is started."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[str] | None = None
        settings = SETTINGS.format(port=port, in_a_row=SPEAK_IN_A_ROW)
        (home / "settings.toml").write_text(settings, encoding="utf-8")

    def write_past(self, count: int) -> None:
        """So many lines, and reasons as a turn leaves them for the last one."""
        with Transcript.open(
            transcript_path(self.home), fresh=True, seed=1, now=FIRST_DAY
        ) as transcript:
            last, at = 0, FIRST_DAY
            for speaker, text, at in past(count - 2):
                last = transcript.add(speaker, "friend", text, {}, at)
                transcript.posted(last, "web", f"line-{last}")
                if last == DISCORD_LINE - 1:
                    self._write_from_elsewhere(transcript, at)
            turn = {
                "chosen": "Priya", "chosen_because": "it was Priya's turn",
                "weights": {"Dex": {"share": 0.25}, "Priya": {"share": 0.75}},
                "phrase": f"Soup number {count - 2}", "source": "bot",
                "phrase_from": last, "answers": last, "seed": 7,
            }  # fmt: skip
            attempts = [[{"text": "no soup", "verdict": "too near", "score": -2.0}]]
            transcript.add(
                "Priya", "friend", f"soup number {count - 2} again?",
                {"turn": turn, "attempts": attempts}, at + timedelta(minutes=1), last,
            )  # fmt: skip

    def _write_from_elsewhere(self, transcript: Transcript, at: datetime) -> None:
        why = {"stage": "discord 1234"}
        line = transcript.add("Ana", "person", "greetings from afar", why, at)
        transcript.posted(line, "discord 1234", "m1")
        for author in ("Bo", "Cy"):
            transcript.add_reaction("discord 1234", "m1", author, "🍜", at)

    def start(self) -> None:
        """Returns once the page can be opened."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "run", "--platform", "web", "--fast",
             "--settings", str(self.home / "settings.toml")],
            cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self._wait_until_open()

    def _wait_until_open(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        said, end = "", time.monotonic() + START_SECONDS
        pipe = self._process.stderr.fileno()
        os.set_blocking(pipe, False)
        while self.url not in said:
            ready, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(pipe, 65536).decode(errors="replace") if ready else ""
            assert piece, f"the show never said where it is: {said}"
            said += piece

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.communicate(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            raise
        self._process = None


@contextmanager
def web_show(home: Path, port: int, lines: int) -> Iterator[WebShow]:
    """A show that runs, after so many lines in the past."""
    show = WebShow(home, port)
    show.write_past(lines)
    show.start()
    try:
        yield show
    finally:
        show.stop()
