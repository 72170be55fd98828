"""Files that are written whole or not at all, and errors that say which file they are about."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def named_in_errors(path: Path | str) -> Iterator[None]:
    """Has an OSError that does not say which file it is about name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to, which becomes `path` when all is written; until then
    and after an error the old file stays. Raises OSError, which names `path`."""
    target = Path(os.path.realpath(path))
    if path.parent == Path("/dev") or (target.exists() and not target.is_file()):
        # Pipes and devices cannot be replaced.
        with named_in_errors(path):
            yield path
        return
    new = target.with_name(f".botconvo-{os.getpid()}{path.suffix}")
    try:
        if target.exists():
            if not os.access(target, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            new.touch()
            shutil.copymode(target, new)
        yield new
        new.replace(target)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
