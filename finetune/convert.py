"""Checkpoint to GGUF and back. The only file of the package that imports gguf.

Tensor names and shapes follow llama.cpp's `LLM_ARCH_GPT2`; the output layer is tied to the
token embedding and so is not written. Matrices are stored as outputs x inputs, the other
way round than TensorFlow's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import gguf
import numpy as np

from finetune.agreement import Agreement, agreement
from finetune.arrays import FloatArray, Weights
from finetune.bases.checkpoint_files import read_checked_weights
from finetune.errors import BadBaseModel
from model_server.checkpoint_format import (
    END_OF_TEXT,
    MERGES_FILE,
    CheckpointError,
    Codec,
    GgufRecord,
    Manifest,
    Sizes,
)

GgufType = Literal["q8_0", "f16", "f32"]

TYPES = {
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "f16": gguf.GGMLQuantizationType.F16,
    "f32": gguf.GGMLQuantizationType.F32,
}
FILE_TYPES = {
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "f32": gguf.LlamaFileType.ALL_F32,
}
LAYER_NORM_EPSILON = 1e-5
LAYER_PARTS = {
    "ln_1/g": "attn_norm.weight",
    "ln_1/b": "attn_norm.bias",
    "attn/c_attn/w": "attn_qkv.weight",
    "attn/c_attn/b": "attn_qkv.bias",
    "attn/c_proj/w": "attn_output.weight",
    "attn/c_proj/b": "attn_output.bias",
    "ln_2/g": "ffn_norm.weight",
    "ln_2/b": "ffn_norm.bias",
    "mlp/c_fc/w": "ffn_up.weight",
    "mlp/c_fc/b": "ffn_up.bias",
    "mlp/c_proj/w": "ffn_down.weight",
    "mlp/c_proj/b": "ffn_down.bias",
}


def gguf_file(gguf_type: GgufType) -> str:
    return f"model-{gguf_type}.gguf"


def _names(sizes: Sizes) -> Iterator[tuple[str, str]]:
    yield "wte", "token_embd.weight"
    yield "wpe", "position_embd.weight"
    yield "ln_f/g", "output_norm.weight"
    yield "ln_f/b", "output_norm.bias"
    for layer in range(sizes.n_layer):
        for ours, theirs in LAYER_PARTS.items():
            yield f"h{layer}/{ours}", f"blk.{layer}.{theirs}"


def write_gguf(weights: Weights, folder: Path, step: int, gguf_type: GgufType) -> GgufRecord:
    """Writes `model-TYPE.gguf` into a folder that has sizes and tokenizer.

    Position embeddings, norms and biases stay float32. Raises BadBaseModel if a row is no multiple
    of Q8_0's block of 32.
    """
    sizes = Sizes.read(folder)
    path = folder / gguf_file(gguf_type)
    part = path.with_name(path.name + ".part")
    writer = gguf.GGUFWriter(part, "gpt2")
    try:
        _write_header(writer, folder, sizes, gguf_type)
        for ours, theirs in _names(sizes):
            _write_tensor(writer, theirs, weights[ours], gguf_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return GgufRecord(file=path.name, type=gguf_type, hash=digest, from_step=step)


def _write_header(writer: gguf.GGUFWriter, folder: Path, sizes: Sizes, gguf_type: GgufType) -> None:
    writer.add_name(folder.name)
    writer.add_context_length(sizes.n_ctx)
    writer.add_embedding_length(sizes.n_embd)
    writer.add_block_count(sizes.n_layer)
    writer.add_feed_forward_length(4 * sizes.n_embd)
    writer.add_head_count(sizes.n_head)
    writer.add_layer_norm_eps(LAYER_NORM_EPSILON)
    writer.add_file_type(FILE_TYPES[gguf_type])
    codec = Codec.read(folder)
    tokens = codec.tokens()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if t == END_OF_TEXT else gguf.TokenType.NORMAL for t in tokens]
    )
    merges = (folder / MERGES_FILE).read_text(encoding="utf-8").split("\n")[1:-1]
    writer.add_token_merges(merges)
    writer.add_bos_token_id(codec.end_of_text)
    writer.add_eos_token_id(codec.end_of_text)
    writer.add_add_bos_token(False)


def _write_tensor(
    writer: gguf.GGUFWriter, name: str, values: FloatArray, gguf_type: GgufType
) -> None:
    data = values[0].T if values.ndim == 3 else values
    data = np.ascontiguousarray(data, np.float32)
    quantised = data.ndim == 2 and name != "position_embd.weight"
    kind = TYPES[gguf_type] if quantised else TYPES["f32"]
    if kind == TYPES["q8_0"] and data.shape[1] % 32:
        raise BadBaseModel(
            f"{name} has rows of {data.shape[1]} numbers and Q8_0 needs multiples of 32; "
            "convert with --type f16."
        )
    writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)


def read_gguf(path: Path, sizes: Sizes) -> Weights:
    """The weights of a GGUF file as float32 under gpt-2-simple's names and shapes.

    Raises BadBaseModel if the file is broken or not of these sizes.
    """
    try:
        tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
        result: Weights = {}
        for ours, theirs in _names(sizes):
            tensor = tensors[theirs]
            data = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            result[ours] = data.T[None] if ours.endswith("/w") else data
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise BadBaseModel(f"{path} is no usable GPT-2 in GGUF form ({error}).") from error
    return result


def convert_checkpoint(folder: Path, gguf_type: GgufType) -> GgufRecord:
    """Writes the GGUF of a checkpoint folder's newest weights and notes it in the manifest.

    Works for folders that gpt-2-simple wrote elsewhere. Raises CheckpointError or BadBaseModel
    with what is missing or damaged; then nothing in the folder has changed.
    """
    manifest = Manifest.read(folder)
    prefix, weights = read_checked_weights(folder)
    number = prefix.name.rpartition("-")[2]
    step = int(number) if number.isdigit() else manifest.step
    record = write_gguf(weights, folder, step, gguf_type)
    manifest.model_copy(
        update={"gguf": record, "step": step, "window": Sizes.read(folder).n_ctx}
    ).write(folder)
    return record


def check_conversion(folder: Path) -> Agreement:
    """Compares the GGUF that the manifest names, as it lies on disk, with the weights that it
    was made from, and notes the result in the manifest's record of it."""
    manifest = Manifest.read(folder)
    record = manifest.gguf
    if record is None:
        raise CheckpointError(f"{folder} holds no converted file to check.")
    sizes = Sizes.read(folder)
    _, weights = read_checked_weights(folder)
    found = agreement(
        weights, lambda: read_gguf(folder / record.file, sizes), sizes, Codec.read(folder)
    )
    checked = {
        "greedy_agreement": round(found.greedy, 4),
        "bits_per_byte_added": round(found.bits_per_byte_added, 5) + 0.0,  # never -0.0
    }
    manifest.model_copy(update={"gguf": record.model_copy(update=checked)}).write(folder)
    return found
