"""`convert`: a checkpoint for the fast engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.commands.console import (
    DONE,
    Commands,
    add_command,
    json_option,
    need_train_extra,
    print_json,
    worded,
)
from finetune.errors import FinetuneError

if TYPE_CHECKING:
    pass


def add_convert(commands: Commands) -> None:
    parser = add_command(
        commands, "convert", _convert, "Write the GGUF that the fast engine reads."
    )
    parser.add_argument("folder", type=Path, metavar="CHECKPOINT_FOLDER")
    parser.add_argument("--type", choices=["q8_0", "f16", "f32"], default="q8_0")
    json_option(parser)


def _convert(options: argparse.Namespace) -> int:
    need_train_extra()
    from finetune.convert import convert_checkpoint

    if not options.folder.is_dir():
        raise FinetuneError(f"{options.folder}: there is no such checkpoint folder.")
    record = convert_checkpoint(options.folder, options.type)
    path = options.folder / record.file
    if options.json:
        print_json({"path": str(path), "type": record.type, "step": record.from_step})
        return DONE
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, from step {record.from_step}")
    print(worded(f"Next: botconvo serve {options.folder} --port 8001"))
    return DONE
