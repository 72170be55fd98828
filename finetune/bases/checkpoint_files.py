"""TensorFlow's weight files in a model folder: found, read with every check, and written.

A folder may have been copied from another machine, where gpt-2-simple noted the weights by
their absolute path, so only the last part of that path counts here. TensorFlow takes seconds to
load, and only what reads or writes weights waits for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from finetune.arrays import Weights
from model_server.checkpoint_format import ENCODER_FILE, CheckpointError, Codec, Sizes

CHECKPOINT_FILE = "checkpoint"
NAMED = re.compile(r'^model_checkpoint_path:\s*"(?:.*[/\\])?([^"/\\]+)"', re.MULTILINE)
STEP = re.compile(r"model-(\d+)\.index")


def find_weights(folder: Path) -> Path:
    """Prefix of the weights that the folder's `checkpoint` file names, in this folder.

    Raises CheckpointError if there are none, or their files are not all there.
    """
    note = folder / CHECKPOINT_FILE
    if not note.is_file():
        raise CheckpointError(
            f"{folder} holds no TensorFlow checkpoint: there is no file '{CHECKPOINT_FILE}' in it, "
            f"which names the weights to take{_steps_there(folder)}."
        )
    named = NAMED.search(note.read_text(encoding="utf-8", errors="replace"))
    if not named:
        raise CheckpointError(
            f"{note} names no weights; its first line must be like "
            f'model_checkpoint_path: "model-100"{_steps_there(folder)}.'
        )
    prefix = folder / named[1]
    if not prefix.with_name(prefix.name + ".index").is_file():
        raise CheckpointError(
            f"{note} names {prefix.name}, and {prefix.name}.index is not there"
            f"{_steps_there(folder)}. Copy the missing files, or write another step's name into it."
        )
    return prefix


def _steps_there(folder: Path) -> str:
    steps = sorted(int(found[1]) for p in folder.iterdir() if (found := STEP.fullmatch(p.name)))
    return f"; there are steps {', '.join(map(str, steps))}" if steps else ""


def read_checked_weights(folder: Path, step: int | None = None) -> tuple[Path, Weights]:
    """The prefix and all weights of a folder: those of `step`, or the ones that it names itself.

    Raises CheckpointError if files are missing or damaged, if the weights are not those of
    `hparams.json`, if numbers in them are none, or if the tokenizer is of another size.
    """
    from finetune.training.graph import read_weights
    from finetune.training.tensor_files import READ_ERRORS

    sizes = Sizes.read(folder)
    entries = len(Codec.read(folder))
    if entries != sizes.n_vocab:
        raise CheckpointError(
            f"{folder / ENCODER_FILE} has {entries} tokens and hparams.json says {sizes.n_vocab}; "
            "one of them is another model's."
        )
    prefix = find_weights(folder) if step is None else folder / f"model-{step}"
    if not list(folder.glob(f"{prefix.name}.data-*")):
        raise CheckpointError(
            f"{prefix}.index is there without its {prefix.name}.data-00000-of-00001; copy it too."
        )
    try:
        weights = read_weights(prefix)
    except (*READ_ERRORS, OSError) as error:
        raise CheckpointError(
            f"The weights {prefix.name} in {folder} are damaged "
            f"({str(error).splitlines()[0][:120]}); copy or download them once more."
        ) from error
    check_weights(weights, sizes, str(folder))
    return prefix, weights


def check_weights(weights: Weights, sizes: Sizes, place: str) -> None:
    """Raises CheckpointError if these are no weights of these sizes, or hold no numbers."""
    for name, shape in weight_shapes(sizes):
        if name not in weights:
            raise CheckpointError(
                f"{place}: the weights lack {name}; hparams.json is another model's."
            )
        if weights[name].shape != shape:
            raise CheckpointError(
                f"{place}: {name} has the shape {weights[name].shape} and hparams.json asks for "
                f"{shape}; one of them is another model's."
            )
        if not np.isfinite(weights[name]).all():
            raise CheckpointError(
                f"{place}: {name} holds values that are no numbers, so the model can write "
                "nothing; its training went wrong, so take an earlier step or train again."
            )
    layers = {name.partition("/")[0] for name in weights if re.match(r"h\d+/", name)}
    if len(layers) != sizes.n_layer:
        raise CheckpointError(
            f"{place}: the weights have {len(layers)} layers and hparams.json says "
            f"{sizes.n_layer}; one of them is another model's."
        )


def weight_shapes(sizes: Sizes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of all variables of `gpt_2_simple.src.model`."""
    width = sizes.n_embd
    yield "wte", (sizes.n_vocab, width)
    yield "wpe", (sizes.n_ctx, width)
    layers = [(f"h{layer}/", part) for layer in range(sizes.n_layer) for part in ("ln_1", "ln_2")]
    for name in [*(layer + part for layer, part in layers), "ln_f"]:
        yield f"{name}/g", (width,)
        yield f"{name}/b", (width,)
    for layer in range(sizes.n_layer):
        for part, inputs, outputs in (
            ("attn/c_attn", width, 3 * width), ("attn/c_proj", width, width),
            ("mlp/c_fc", width, 4 * width), ("mlp/c_proj", 4 * width, width),
        ):  # fmt: skip
            yield f"h{layer}/{part}/w", (1, inputs, outputs)
            yield f"h{layer}/{part}/b", (outputs,)


def write_weights(weights: Weights, prefix: Path) -> None:
    """Writes files that gpt-2-simple's loader restores, and the `checkpoint` file that names
    them without their folder. Needs no graph of the model, so no memory for training.

    Raises CheckpointError if the files cannot be written."""
    from finetune.training.tensorflow_loading import tf1

    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tf1.Graph().as_default(), tf1.Session() as session:
        places = {name: tf1.placeholder(tf1.float32, w.shape) for name, w in weights.items()}
        save = tf1.raw_ops.SaveV2(
            prefix=str(prefix),
            tensor_names=[f"model/{name}" for name in weights],
            shape_and_slices=[""] * len(weights),
            tensors=list(places.values()),
        )
        try:
            session.run(save, {places[name]: values for name, values in weights.items()})
        except tf1.errors.OpError as error:
            raise CheckpointError(
                f"{prefix} cannot be written ({error.message[:120]}); is the disk full?"
            ) from error
    note = f'model_checkpoint_path: "{prefix.name}"\nall_model_checkpoint_paths: "{prefix.name}"\n'
    (prefix.parent / CHECKPOINT_FILE).write_text(note, encoding="utf-8")
