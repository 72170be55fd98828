"""One show per folder: two would write one conversation, and answer in one chat twice."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from orchestrator.errors import OrchestratorError


@contextmanager
def only_show(home: Path) -> Iterator[None]:
    """Holds `data/show.lock` while the show runs; the system lets go of it whenever the process
    ends, however it does. Raises OrchestratorError if another process holds it."""
    path = home / "data" / "show.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii")
    except OSError as error:
        raise OrchestratorError(f"{path} cannot be written: {error.strerror}.") from error
    with file:
        try:
            _lock(file)
        except OSError as error:
            file.seek(0)
            raise OrchestratorError(
                f"A show runs in this folder already (process {file.read().strip() or '?'}); end "
                "it, or start this one from another folder with settings of its own."
            ) from error
        file.truncate(0)
        print(os.getpid(), file=file, flush=True)
        yield


if sys.platform == "win32":
    import msvcrt

    FAR_BEHIND = 1 << 30
    """A locked place that nobody reads: Windows refuses others the locked bytes."""

    def _lock(file: IO[str]) -> None:
        file.seek(FAR_BEHIND)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
