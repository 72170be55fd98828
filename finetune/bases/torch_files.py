"""Tensors of a `pytorch_model.bin`, read without PyTorch and without running what is in it.

The file is a pickle, and a pickle is a program. The unpickler here knows the few globals
that a dictionary of tensors needs and refuses every other by name. Knows nothing of models.

Both forms are as `torch/serialization.py` of https://github.com/pytorch/pytorch writes them:
the zip archive of PyTorch 1.6 and later (`_save`), and the row of pickles with raw storages
behind it (`_legacy_save`), which the first GPT-2 uploads have.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from finetune.arrays import FloatArray
from finetune.bases.stored_tensors import FLOATS, StoredTensor, Tensors, as_float32
from finetune.errors import BadBaseModel

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
LEGACY_PICKLES_BEFORE_THE_DATA = 3

STORAGES = {
    "DoubleStorage": ("F64", 8), "FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2), "LongStorage": ("I64", 8), "IntStorage": ("I32", 4),
    "ShortStorage": ("I16", 2), "CharStorage": ("I8", 1), "ByteStorage": ("U8", 1),
    "BoolStorage": ("BOOL", 1),
}  # fmt: skip
"""PyTorch's storages: their kind as safetensors calls it, and bytes per number."""


@dataclass(frozen=True, slots=True)
class _StorageKind:
    kind: str
    item_bytes: int


@dataclass(frozen=True, slots=True)
class _Storage:
    """Numbers of one kind, somewhere in the file under this key."""

    key: str
    kind: _StorageKind
    numbers: int


@dataclass(frozen=True)  # no slots: a pickle may set attributes on it, which nobody reads
class _View:
    """A tensor as PyTorch keeps it: a part of a storage, with a step for each dimension."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Refused(Exception):
    """The pickle asks for something that no tensor needs."""


class _TensorUnpickler(pickle.Unpickler):
    """Builds nothing but containers, numbers, strings and `_View`."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.kinds: dict[str, _StorageKind] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGES:
            return _StorageKind(*STORAGES[name])
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        if (module, name) not in known:
            raise _Refused(f"{module}.{name}")
        return known[module, name]

    def persistent_load(self, saved_id: Any) -> _Storage:
        # ("storage", kind, key, device, numbers), and in the legacy form a view on a storage.
        tag, kind, key, _, numbers, *view = saved_id
        if tag != "storage" or not isinstance(kind, _StorageKind) or any(view):
            raise _Refused(f"a storage of the form {saved_id!r}")
        self.kinds[str(key)] = kind
        return _Storage(str(key), kind, int(numbers))


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: object) -> _View:
    """Raises _Refused for a view that leaves its storage: that would read foreign memory."""
    whole = all(isinstance(n, int) and n >= 0 for n in (offset, *shape, *strides))
    if not isinstance(storage, _Storage) or not whole or len(shape) != len(strides):
        raise _Refused("a tensor of unknown form")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if 0 not in shape and max(last + 1, math.prod(shape)) > storage.numbers:
        raise _Refused("a tensor larger than its storage")
    return _View(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(view: Any, *_: object) -> Any:
    return view


def open_torch_file(path: Path) -> Tensors:
    """The tensors of a file that `torch.save` wrote from a model's `state_dict()`.

    Raises BadBaseModel if it is damaged, holds something else, or asks for a global that
    tensors do not need.
    """
    with _told_as_damage(path):
        opened = _open_zip(path) if zipfile.is_zipfile(path) else _open_legacy(path)
        return _tensors(*opened, path)


@contextmanager
def _told_as_damage(path: Path) -> Iterator[None]:
    """Turns what damaged or strange files raise, here and in pickle, into BadBaseModel."""
    try:
        yield
    except _Refused as error:
        raise BadBaseModel(
            f"{path} asks for {error}, which tensors do not need and which could run any program; "
            "take a model that has a model.safetensors."
        ) from error
    except (
        pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, ValueError, TypeError,
        AttributeError, IndexError, ImportError, OverflowError, RuntimeError, MemoryError, OSError,
    ) as error:  # fmt: skip
        # What a pickle of random bytes may raise, as the documentation of pickle lists it, and
        # what reading at a place that it names may.
        raise BadBaseModel(
            f"{path} is damaged or was not written by PyTorch ({error}); download it once more."
        ) from error


ReadStorage = Callable[[_Storage], bytes]


def _open_zip(path: Path) -> tuple[Any, ReadStorage]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickled = next((name for name in names if name.endswith("/data.pkl")), "")
        if not pickled:
            raise ValueError("it has no data.pkl")
        folder = pickled.removesuffix("data.pkl")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("it is compressed")
        order = archive.read(folder + "byteorder") if folder + "byteorder" in names else b"little"
        if order != b"little":
            raise ValueError("its numbers are big-endian")
        with archive.open(pickled) as file:
            saved = _TensorUnpickler(file).load()

    def read(storage: _Storage) -> bytes:
        with zipfile.ZipFile(path) as archive:
            return _whole(archive.read(f"{folder}data/{storage.key}"), storage, path)

    return saved, read


def _open_legacy(path: Path) -> tuple[Any, ReadStorage]:
    with path.open("rb") as file:
        magic, protocol, system = (
            _TensorUnpickler(file).load() for _ in range(LEGACY_PICKLES_BEFORE_THE_DATA)
        )
        if (magic, protocol) != (LEGACY_MAGIC, LEGACY_PROTOCOL) or not system["little_endian"]:
            raise ValueError("not the form of PyTorch 0.4 to 1.5 on a little-endian machine")
        unpickler = _TensorUnpickler(file)
        saved = unpickler.load()
        keys = [str(key) for key in _TensorUnpickler(file).load()]
        places = _legacy_places(file, keys, unpickler.kinds)

    def read(storage: _Storage) -> bytes:
        begin, length = places[storage.key]
        with path.open("rb") as file:
            file.seek(begin)
            return _whole(file.read(length), storage, path)

    return saved, read


def _legacy_places(
    file: IO[bytes], keys: list[str], kinds: dict[str, _StorageKind]
) -> dict[str, tuple[int, int]]:
    """Where each storage lies, in bytes: a count of numbers as int64, then the numbers."""
    places = {}
    for key in keys:
        numbers = int.from_bytes(file.read(8), "little")
        length = numbers * kinds[key].item_bytes
        places[key] = (file.tell(), length)
        file.seek(length, 1)
    return places


def _whole(data: bytes, storage: _Storage, path: Path) -> bytes:
    if len(data) < storage.numbers * storage.kind.item_bytes:
        raise BadBaseModel(f"{path} breaks off early; download it once more.")
    return data


def _views(saved: Any) -> dict[str, _View]:
    """The tensors by name; a training script may have put the state into a dictionary."""
    state = saved.get("state_dict", saved) if isinstance(saved, dict) else None
    if not isinstance(state, dict):
        raise ValueError("it holds no dictionary of tensors")
    return {str(name): view for name, view in state.items() if isinstance(view, _View)}


def _tensors(saved: Any, read: ReadStorage, path: Path) -> Tensors:
    def reader(view: _View) -> Callable[[], FloatArray]:
        def read_view() -> FloatArray:
            with _told_as_damage(path):
                return _numbers(view, read(view.storage))

        return read_view

    return {
        name: StoredTensor(view.shape, view.storage.kind.kind, reader(view))
        for name, view in _views(saved).items()
    }


def _numbers(view: _View, data: bytes) -> FloatArray:
    storage = view.storage
    item_bytes = FLOATS[storage.kind.kind].itemsize
    begin = view.offset * item_bytes
    if _is_contiguous(view):
        part = data[begin : begin + math.prod(view.shape) * item_bytes]
        return as_float32(part, storage.kind.kind).reshape(view.shape)
    numbers = as_float32(data[begin:], storage.kind.kind)
    strides = tuple(4 * step for step in view.strides)
    return np.lib.stride_tricks.as_strided(numbers, view.shape, strides).copy()


def _is_contiguous(view: _View) -> bool:
    expected = 1
    for size, step in reversed(list(zip(view.shape, view.strides, strict=True))):
        if size != 1 and step != expected:
            return False
        expected *= size
    return True
