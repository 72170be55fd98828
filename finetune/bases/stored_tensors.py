"""Tensors as they lie in files: of which shape, of which kind of number, and how to read them.

What comes out is float32, whatever was stored. Knows no file's format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from finetune.arrays import FloatArray

FLOATS: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}  # fmt: skip
"""How the numbers of each kind lie on disk. NumPy has no bfloat16: it is read as 16 bits."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor on disk: its shape, its kind of number as safetensors calls it, and its reader,
    which gives float32 of that shape."""

    shape: tuple[int, ...]
    kind: str
    read: Callable[[], FloatArray]


Tensors = dict[str, StoredTensor]


def as_float32(data: bytes, kind: str) -> FloatArray:
    """The numbers of raw little-endian bytes, in one dimension."""
    numbers = np.frombuffer(data, FLOATS[kind])
    if kind == "BF16":  # the upper half of a float32
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    result: FloatArray = numbers.astype(np.float32)
    return result
