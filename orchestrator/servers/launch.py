"""How a friend's local model server is started, how long it is waited for, and where it says why it
ended. Knows nothing of processes that run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

LOG_TAIL_BYTES = 20_000
MAX_LAST_WORDS_CHARS = 300
MAX_LOG_NAME_CHARS = 40
"""Of a friend's name: systems allow 255 bytes, and a letter may take four."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a local server is waited for, and when it is tried again."""

    ready_seconds: float = 60.0
    """To start without a model: Python and its libraries from a slow, busy disk."""
    load_bytes_per_second: float = 10e6
    """What a slow disk reads while others load, too: the model's size lengthens the deadline."""
    first_delay_seconds: float = 0.2
    longest_delay_seconds: float = 60.0
    restarts: int = 6
    """Deaths in a row, each before it was healthy, after which a server is benched."""
    healthy_seconds: float = 60.0
    """A server that was ready this long has its earlier deaths forgotten."""
    bench_seconds: float = 60.0
    longest_bench_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one friend's server. Port 0 is any free one; with `takes_any_port`, another one
    than `port` will do if that is taken by the time of the start."""

    name: str
    checkpoint: Path
    port: int
    engine: str
    threads: int
    log_file: Path
    banned_words: tuple[str, ...] = ()
    takes_any_port: bool = False
    program: tuple[str, ...] = (sys.executable, "-m", "model_server")

    def command(self) -> list[str | bytes | Path]:
        """To be run in `environment`."""
        arguments: list[str | bytes | Path] = ["--port", str(self.port), "--engine", self.engine]
        arguments += ["--threads", str(self.threads), "--end-with-stdin"]
        for word in self.banned_words:
            arguments += ["--banned-word", word if os.name == "nt" else word.encode()]
        return [*self.program, "serve", self.checkpoint, *arguments]


def environment() -> dict[str, str]:
    """Of a server: this process's, but with UTF-8 for all that it is told and tells, whatever the
    system's language is (PEP 540)."""
    return {**os.environ, "PYTHONUTF8": "1"}


def log_file(folder: Path, friend: str) -> Path:
    """Where a friend's server logs: a file of the friend's name, whatever stands in it; a name that
    no file can have gets a digest, so that no two friends share a file. The name is UTF-8 on the
    disk, also where the system's language has no such letters."""
    plain = re.sub(r"[^\w -]", "_", friend)[:MAX_LOG_NAME_CHARS]
    if plain != friend:
        digest = hashlib.sha256(friend.casefold().encode(errors="replace")).hexdigest()[:8]
        plain = f"{plain}-{digest}"
    return folder / os.fsdecode(f"{plain}.log".encode())


def last_line(log_file: Path, start: int) -> str:
    """The last line from `start` on that is no news of ordinary work, as people say it."""
    try:
        with log_file.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            record = json.loads(line)
            said = "" if record["level"] == "info" else str(record["event"])
        except (ValueError, KeyError, TypeError, RecursionError):
            said = line.strip().removeprefix("botconvo: ")
        if said:
            return said[:MAX_LAST_WORDS_CHARS]
    return ""
