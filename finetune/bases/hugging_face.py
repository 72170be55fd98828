"""A Hugging Face folder of GPT-2 architecture as a base model in gpt-2-simple's form.

Knows the configuration and the names of the weights; how tensors and tokens lie on disk,
`weight_files` and `hugging_face_tokenizer` know. What gpt-2-simple's graph cannot compute
is refused by name, and nothing is computed nearly.

Names and meanings: `configuration_gpt2.py` and `modeling_gpt2.py` in
https://github.com/huggingface/transformers/tree/main/src/transformers/models/gpt2
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finetune.arrays import FloatArray, Weights
from finetune.bases.base_models import already_there, folder_for
from finetune.bases.checkpoint_files import check_weights, weight_shapes, write_weights
from finetune.bases.hugging_face_tokenizer import Tokens, read_tokens
from finetune.bases.stored_tensors import FLOATS, StoredTensor, Tensors
from finetune.bases.weight_files import open_tensors
from finetune.errors import BadBaseModel
from model_server.checkpoint_format import BaseModelRecord, CheckpointError, Manifest, Sizes

CONFIG_FILE = "config.json"
SUGGESTIONS = (
    "openai-community/gpt2, distilbert/distilgpt2, microsoft/DialoGPT-small, dbmdz/german-gpt2, "
    "GroNLP/gpt2-small-dutch, GroNLP/gpt2-small-italian"
)

ARCHITECTURES = {"GPT2LMHeadModel", "GPT2Model", "GPT2DoubleHeadsModel"}
SAME_ACTIVATIONS = {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate"}
"""Names of one formula: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
LAYER_NORM_EPSILON = 1e-5

PARTS = {"g": "weight", "b": "bias", "w": "weight"}
BUFFERS = re.compile(r"h\.\d+\.attn\.(masked_)?bias|multiple_choice_head\..*")
"""What files hold beside the weights: the mask of attention, and the head of another task."""
OUTPUT_LAYERS = ("lm_head.weight", "lm_head.decoder.weight")


@dataclass(frozen=True, slots=True)
class Added:
    """A base model that was made, and what the user should know of it."""

    folder: Path
    sizes: Sizes
    notes: tuple[str, ...]


def add_hugging_face(source: Path, models: Path, name: str | None) -> Added:
    """Makes `models/NAME` of a Hugging Face folder; without a name, its own.

    Raises BadBaseModel if there is a model of that name, or the folder is damaged or of
    another kind. Leaves nothing behind then.
    """
    folder = _snapshot(source)
    name = name or _own_name(source)
    target = folder_for(name, models)
    if target.exists():
        raise already_there(target)
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=models) as made:
        part = Path(made) / name
        part.mkdir()
        sizes, notes = convert_folder(folder, part)
        part.replace(target)
    return Added(target, sizes, notes)


def convert_folder(source: Path, target: Path) -> tuple[Sizes, tuple[str, ...]]:
    """Writes weights, tokenizer, sizes and manifest of `source` into the folder `target`.

    Raises BadBaseModel, possibly after a part is written.
    """
    config = read_config(source)
    tensors = _without_prefix(open_tensors(source))
    _check_names(source, tensors)
    sizes = _sizes(source, config, tensors)
    tokens = read_tokens(source, tensors["wte.weight"].shape[0], config.get("eos_token_id"))
    sizes = Sizes(len(tokens.entries), sizes.n_ctx, sizes.n_embd, sizes.n_head, sizes.n_layer)
    weights = _weights(source, config, tensors, sizes)
    _write(target, sizes, tokens, weights)
    return sizes, tokens.notes


def _write(target: Path, sizes: Sizes, tokens: Tokens, weights: Weights) -> None:
    tokens.write(target)
    sizes.write(target)
    write_weights(weights, target / "model.ckpt")
    # No markers of gpt-2-simple's training data: this model has read texts as they are.
    Manifest(
        style="monologue",
        prompt_prefix="",
        stop="",
        end_of_text="token",
        window=sizes.n_ctx,
        base=BaseModelRecord(name=target.name),
        notices=list(tokens.notes),
    ).write(target)


# --- the folder --------------------------------------------------------------------------


def _snapshot(source: Path) -> Path:
    """The folder with the files, also where `source` is a model in Hugging Face's own cache:
    `models--OWNER--NAME/snapshots/COMMIT`, of which `refs/main` names the newest."""
    if not source.is_dir():
        download = f" Download it first: hf download {source} --local-dir {source.name}"
        raise BadBaseModel(
            f"{source}: there is no such folder.{download if source.parent.name else ''}"
        )
    newest = source / "refs" / "main"
    if newest.is_file():
        return source / "snapshots" / newest.read_text(encoding="utf-8").strip()
    return source


def _own_name(source: Path) -> str:
    place = source.absolute()
    if place.parent.name == "snapshots":
        place = place.parent.parent
    return place.name.rpartition("--")[2]


# --- the configuration -------------------------------------------------------------------


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a model that gpt-2-simple's graph computes. Raises BadBaseModel."""
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadBaseModel(
            f"{folder} has no {CONFIG_FILE}, so it is no folder of a Hugging Face model; name the "
            "folder that was downloaded whole."
        ) from error
    except (OSError, ValueError) as error:
        raise BadBaseModel(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise BadBaseModel(f"{path} holds no JSON object; download it once more.")
    _check_architecture(path, config)
    for problem in _problems(config):
        raise BadBaseModel(
            f"{path}: {problem}, which gpt-2-simple's graph does not compute; take another "
            f"GPT-2, for example {SUGGESTIONS}."
        )
    return config


def _check_architecture(path: Path, config: dict[str, Any]) -> None:
    # The first uploads have no model_type; the names of their weights show what they are.
    kind = config.get("model_type", "gpt2")
    architectures = config.get("architectures") or ["GPT2LMHeadModel"]
    if kind != "gpt2":
        found = f"a model of the kind {kind}"
    elif not ARCHITECTURES & set(architectures):
        found = f"a {', '.join(map(str, architectures))}, which writes no text"
    else:
        return
    raise BadBaseModel(
        f"{path.parent} is {found}, and BotConvo trains GPT-2 only; take for example {SUGGESTIONS}."
    )


def _problems(config: dict[str, Any]) -> Iterator[str]:
    """Values of GPT2Config that change what is computed. `scale_attn_weights` and
    `scale_attn_by_inverse_layer_idx` do too, and are put into the weights; of
    `reorder_and_upcast_attn` nothing is left where everything is float32."""
    activation = config.get("activation_function", "gelu_new")
    if activation not in SAME_ACTIVATIONS:
        yield f"activation_function is {activation}"
    epsilon = config.get("layer_norm_epsilon", LAYER_NORM_EPSILON)
    if not math.isclose(epsilon, LAYER_NORM_EPSILON, rel_tol=1e-3):
        yield f"layer_norm_epsilon is {epsilon} and not {LAYER_NORM_EPSILON}"
    inner, width = config.get("n_inner"), config.get("n_embd", 768)
    if inner not in (None, 4 * width):
        yield f"n_inner is {inner} and not 4 x {width}"
    if width % config.get("n_head", 12):
        yield f"n_embd {width} is no multiple of n_head {config.get('n_head', 12)}"
    if config.get("add_cross_attention"):
        yield "add_cross_attention is set"
    if config.get("quantization_config"):
        yield "its weights are quantised (quantization_config)"


# --- the weights -------------------------------------------------------------------------


def _without_prefix(tensors: Tensors) -> Tensors:
    """The names with and without the model that a head was put on, in one form."""
    return {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}


def _their_name(name: str) -> str:
    """Hugging Face's name of one of gpt-2-simple's variables."""
    if name in {"wte", "wpe"}:
        return f"{name}.weight"
    path, _, part = name.rpartition("/")
    path = re.sub(r"^h(\d)", r"h.\1", path).replace("/", ".")
    return f"{path}.{PARTS[part]}"


def _check_names(source: Path, tensors: Tensors) -> None:
    """Refuses tensors that nobody would read: they are a part of the model that is not known."""
    for name in ("wte.weight", "wpe.weight"):
        if name not in tensors or len(tensors[name].shape) != 2:
            raise BadBaseModel(f"{source}: the weights lack {name}, so they are no GPT-2's.")
    layers = _layers(tensors)
    sizes = Sizes(1, 1, 1, 1, layers)
    known = {_their_name(name) for name, _ in weight_shapes(sizes)} | set(OUTPUT_LAYERS)
    strange = [name for name in tensors if name not in known and not BUFFERS.fullmatch(name)]
    if strange:
        raise BadBaseModel(
            f"{source}: a GPT-2 has no weights called {strange[0]}"
            f"{f' (and {len(strange) - 1} more)' if len(strange) > 1 else ''}, so this is another "
            f"kind of model; take for example {SUGGESTIONS}."
        )


def _layers(tensors: Tensors) -> int:
    found = (re.match(r"h\.(\d+)\.", name) for name in tensors)
    return max((int(number[1]) + 1 for number in found if number), default=0)


def _sizes(source: Path, config: dict[str, Any], tensors: Tensors) -> Sizes:
    """As the weights are; raises BadBaseModel where config.json says otherwise."""
    rows, width = tensors["wte.weight"].shape
    window = tensors["wpe.weight"].shape[0]
    layers = _layers(tensors)
    said = {
        "vocab_size": rows, "n_embd": width, "n_layer": layers,
        "n_positions" if "n_positions" in config else "n_ctx": window,
    }  # fmt: skip
    for key, there in said.items():
        if config.get(key, there) != there:
            raise BadBaseModel(
                f"{source}: {CONFIG_FILE} says {key} {config[key]} and the weights have {there}; "
                "they are not of the same model."
            )
    return Sizes(rows, window, width, int(config.get("n_head", 12)), layers)


def _weights(source: Path, config: dict[str, Any], tensors: Tensors, sizes: Sizes) -> Weights:
    weights: Weights = {}
    for name, shape in weight_shapes(sizes):
        values = _read(source, tensors, _their_name(name))
        if name == "wte":
            _check_output_layer(source, config, tensors, values)
            values = values[: sizes.n_vocab]
        # Both keep matrices as inputs x outputs; gpt-2-simple's have a first axis of one.
        weights[name] = values[None] if len(shape) == 3 and values.ndim == 2 else values
    try:
        check_weights(weights, sizes, str(source))
    except CheckpointError as error:
        raise BadBaseModel(str(error)) from error
    _put_scales_into_queries(weights, config, sizes)
    return weights


def _read(source: Path, tensors: Tensors, name: str) -> FloatArray:
    tensor: StoredTensor | None = tensors.get(name)
    if tensor is None:
        raise BadBaseModel(f"{source}: the weights lack {name}; download them once more.")
    if tensor.kind not in FLOATS:
        raise BadBaseModel(
            f"{source}: {name} is stored as {tensor.kind}, and only float32, float16 and bfloat16 "
            "are weights as they are; take a model that is not quantised."
        )
    return tensor.read()


def _check_output_layer(
    source: Path, config: dict[str, Any], tensors: Tensors, embedding: FloatArray
) -> None:
    names = [name for name in OUTPUT_LAYERS if name in tensors]
    if not names and not config.get("tie_word_embeddings", True):
        raise BadBaseModel(
            f"{source}: the weights lack lm_head.weight, and tie_word_embeddings in {CONFIG_FILE} "
            "is off; download the whole model."
        )
    for name in names:
        if not np.array_equal(_read(source, tensors, name), embedding):
            raise BadBaseModel(
                f"{source}: its output layer {name} is another than its embedding wte, and GPT-2 "
                f"in gpt-2-simple has one matrix for both; take for example {SUGGESTIONS}."
            )


def _put_scales_into_queries(weights: Weights, config: dict[str, Any], sizes: Sizes) -> None:
    """gpt-2-simple divides queries times keys by the root of a head's width. A model with other
    scales computes the same with queries that are as much larger or smaller."""
    width = sizes.n_embd
    for layer in range(sizes.n_layer):
        scale = 1.0
        if not config.get("scale_attn_weights", True):
            scale *= math.sqrt(width / sizes.n_head)
        if config.get("scale_attn_by_inverse_layer_idx"):
            scale /= layer + 1
        if scale != 1:
            for part in ("w", "b"):
                name = f"h{layer}/attn/c_attn/{part}"
                weights[name] = weights[name].copy()
                weights[name][..., :width] *= np.float32(scale)
