"""What becomes of a talk: it is forgotten, unless somebody wants it in a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from orchestrator.errors import OrchestratorError

ONLY_ME = 0o600


class Keeping:
    """Adds lines to a text file, `2026-03-31 18:00 Dex: soup`, each as soon as it is said; without
    a file to none."""

    def __init__(self, file: BinaryIO | None, name: str) -> None:
        self._file = file
        self.notice = f"Kept in {name}." if file else "Nothing of it is kept."

    @classmethod
    @contextmanager
    def to(cls, path: Path | None) -> Iterator[Keeping]:
        """Raises OrchestratorError if the file cannot be written. A new one is for its owner's eyes
        only."""
        if path is None:
            yield cls(None, "")
            return
        try:
            # Unbuffered: what a full disk did not take must not be written once more at the end.
            file = open(path, "ab", buffering=0, opener=_private)  # noqa: SIM115  # closed below
        except OSError as error:
            raise OrchestratorError(
                f"--keep: {path} cannot be written ({error.strerror})."
            ) from error
        with file:
            yield cls(file, str(path))

    def add(self, name: str, text: str) -> None:
        """Raises OrchestratorError if the disk takes no more."""
        if self._file is None:
            return
        now = datetime.now().astimezone()
        try:
            self._file.write(f"{now:%Y-%m-%d %H:%M} {name}: {text}\n".encode(errors="replace"))
        except OSError as error:
            raise OrchestratorError(f"--keep: {error.strerror}.") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, ONLY_ME)
