"""The weight files of a Hugging Face folder, opened as named tensors.

Knows `model.safetensors`, `pytorch_model.bin` and their sharded forms, and nothing of what
the tensors mean.

The sharded form: https://huggingface.co/docs/transformers/big_models (an index file whose
`weight_map` says which file holds which tensor).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from finetune.arrays import FloatArray
from finetune.bases.stored_tensors import StoredTensor, Tensors, as_float32
from finetune.bases.torch_files import open_torch_file
from finetune.errors import BadBaseModel

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
INDEX_SUFFIX = ".index.json"
OTHER_WEIGHT_FILES = ("*.h5", "*.msgpack", "*.onnx", "*.gguf", "*.ot", "*.bin", "*.safetensors")
LARGE_FILE_POINTER = b"version https://git-lfs"
"""How a file begins that Git left on the server (git-lfs.com, "The pointer file")."""


def open_tensors(folder: Path) -> Tensors:
    """All tensors of a folder's weight file or shards, by the names that they have there.

    Raises BadBaseModel if there is no weight file, or one of them is missing or broken.
    """
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return _open_file(folder / name)
        index = folder / (name + INDEX_SUFFIX)
        if index.is_file():
            return _open_shards(index)
    others = sorted(path.name for kind in OTHER_WEIGHT_FILES for path in folder.glob(kind))
    found = f"only {', '.join(others)}" if others else "no weights"
    raise BadBaseModel(
        f"{folder} holds {found}; download also the model's {' or '.join(WEIGHT_FILES)}."
    )


def _open_shards(index: Path) -> Tensors:
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = {str(name): str(file) for name, file in weight_map.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadBaseModel(f"{index} is damaged ({error!r}); download it once more.") from error
    shards: dict[str, Tensors] = {}
    for file in sorted(set(files.values())):
        path = index.parent / file
        # A name with a folder in it could lead anywhere on the disk.
        if Path(file).name != file or not path.is_file():
            raise BadBaseModel(f"{index} names {file}, which is not there; download it too.")
        shards[file] = _open_file(path)
    missing = [name for name, file in files.items() if name not in shards[file]]
    if missing:
        raise BadBaseModel(
            f"{index.parent / files[missing[0]]} lacks {missing[0]}, which {index.name} promises; "
            "download both once more."
        )
    return {name: shards[file][name] for name, file in files.items()}


def _open_file(path: Path) -> Tensors:
    with path.open("rb") as file:
        if file.read(len(LARGE_FILE_POINTER)) == LARGE_FILE_POINTER:
            raise BadBaseModel(
                f"{path} is only Git's pointer to the file; fetch the file with: git lfs pull"
            )
    if path.suffix == ".safetensors":
        return _open_safetensors(path)
    return open_torch_file(path)


def _open_safetensors(path: Path) -> Tensors:
    """The format: https://github.com/huggingface/safetensors#format"""
    import safetensors

    try:
        # Checks header, offsets and the file's length; the reader below may trust them.
        with safetensors.safe_open(path, "numpy"):
            pass
    except safetensors.SafetensorError as error:
        raise BadBaseModel(f"{path} is damaged ({error}); download it once more.") from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {name: _place(path, 8 + length, entry) for name, entry in header.items()}


def _place(path: Path, begin_of_data: int, entry: dict[str, Any]) -> StoredTensor:
    shape, kind = tuple(entry["shape"]), str(entry["dtype"])
    begin, end = entry["data_offsets"]

    def read() -> FloatArray:
        with path.open("rb") as file:
            file.seek(begin_of_data + begin)
            return as_float32(file.read(end - begin), kind).reshape(shape)

    return StoredTensor(shape, kind, read)
