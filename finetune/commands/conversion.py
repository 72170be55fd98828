"""`convert`: a checkpoint for the fast engine."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.commands.console import (
    DONE,
    Commands,
    add_command,
    json_option,
    need_train_extra,
    print_json,
)
from finetune.errors import FinetuneError
from finetune.wording import as_arguments, worded

if TYPE_CHECKING:
    from finetune.agreement import Agreement


def add_convert(commands: Commands) -> None:
    parser = add_command(
        commands, "convert", _convert, "Write the GGUF that the fast engine reads."
    )
    parser.add_argument("folder", type=Path, metavar="CHECKPOINT_FOLDER")
    parser.add_argument("--type", choices=["q8_0", "f16", "f32"], default="q8_0")
    parser.add_argument(
        "--no-check", action="store_true",
        help="do not compare the written file with the weights that it was made from",
    )  # fmt: skip
    json_option(parser)


def _convert(options: argparse.Namespace) -> int:
    need_train_extra()
    if not options.folder.is_dir():
        raise FinetuneError(f"{options.folder}: there is no such checkpoint folder.")
    from finetune.convert import check_conversion, convert_checkpoint

    record = convert_checkpoint(options.folder, options.type)
    found = None if options.no_check else check_conversion(options.folder)
    path = options.folder / record.file
    if options.json:
        document = {"path": str(path), "type": record.type, "step": record.from_step}
        print_json(document | ({"check": asdict(found)} if found else {}))
        return DONE
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, from step {record.from_step}")
    if found:
        print(_sentence(found))
    print(worded(f"Next: botconvo serve {as_arguments(str(options.folder))} --port 8001"))
    return DONE


def _sentence(found: Agreement) -> str:
    added = round(found.bits_per_byte_added, 4) + 0.0  # never -0.0
    return (
        f"On {found.tokens} tokens that the model wrote itself, the file finds the same likeliest "
        f"token in {found.greedy:.1%} of places, and needs {added:+.4f} bits "
        f"per byte (the original weights: {found.bits_per_byte:.3f})."
    )
