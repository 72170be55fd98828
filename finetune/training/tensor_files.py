"""What TensorFlow raises over its files, in our words. Knows nothing of training."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune.errors import BadBaseModel
from finetune.training.tensorflow_loading import tf1

REASONS = {
    "No space left on device": errno.ENOSPC,
    "File too large": errno.EFBIG,
    "Disk quota exceeded": errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC,
    "Permission denied": errno.EACCES,
    "Read-only file system": errno.EROFS,
}
READ_ERRORS = (tf1.errors.OpError, ValueError, RuntimeError, IndexError)
"""TensorFlow's reader has its own errors, and turns some of them into the others by their text."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns what TensorFlow raises when it cannot write into an OSError that names `folder`."""
    try:
        yield
    except tf1.errors.OpError as error:
        text = str(error)
        number = next((n for reason, n in REASONS.items() if reason in text), errno.EIO)
        raise OSError(number, os.strerror(number), str(folder)) from error


@contextmanager
def reading(prefix: Path) -> Iterator[None]:
    """Turns what TensorFlow raises on files that it cannot read into one sentence."""
    try:
        yield
    except READ_ERRORS as error:
        raise BadBaseModel(
            f"{prefix}.*: these weights are damaged or not whole; take another step, or copy the "
            "folder once more."
        ) from error
