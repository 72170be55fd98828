"""`base`: what fine-tuning begins from."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.commands.console import (
    DONE,
    INTERRUPTED,
    MODELS,
    Commands,
    add_command,
    json_option,
    need_train_extra,
    packaged_base,
    print_json,
    run_options,
    worded,
)

if TYPE_CHECKING:
    pass


def add_base(commands: Commands) -> None:
    parser = add_command(commands, "base", _base_list, "Base models to fine-tune from.")
    parser.add_argument("--models", type=Path, default=MODELS, metavar="FOLDER")
    parser.set_defaults(json=False)
    kinds = parser.add_subparsers(metavar="list|download|scratch")
    listing = add_command(kinds, "list", _base_list, "What base models there are.")
    json_option(listing)
    fetch = add_command(kinds, "download", _base_download, "Fetch OpenAI's GPT-2.")
    fetch.add_argument("name", metavar="124M|355M|774M|1558M")
    scratch = add_command(
        kinds, "scratch", _base_scratch, "Train a tokenizer and a small GPT-2 from nothing."
    )
    scratch.add_argument("texts", nargs="+", metavar="TEXT[=WEIGHT]",
                         help="plain text or dialogue JSON lines, .gz allowed; the weight says "
                              "how often the file counts in a pass")  # fmt: skip
    scratch.add_argument("--name", required=True)
    scratch.add_argument("--tokens", type=float, default=16.0, metavar="MILLIONS",
                         help="millions of tokens to read (default: %(default)s)")  # fmt: skip
    scratch.add_argument("--vocabulary", type=int, default=6000)
    scratch.add_argument("--window", type=int, default=256)
    scratch.add_argument("--width", type=int, default=256)
    scratch.add_argument("--layers", type=int, default=6)
    scratch.add_argument("--heads", type=int, default=4)
    scratch.add_argument("--rows", type=int, default=16, help="windows per step")
    scratch.add_argument("--optimizer", choices=["muon", "adam"], default="muon")
    scratch.add_argument("--rate", type=float, default=0.002)
    scratch.add_argument(
        "--decay-share", type=float, default=0.4, metavar="SHARE",
        help="the last part of the run in which the rate falls to zero",
    )  # fmt: skip
    for kind in (listing, fetch, scratch):
        # Allowed on either side of the word; SUPPRESS lets the first one stand.
        kind.add_argument("--models", type=Path, default=argparse.SUPPRESS, metavar="FOLDER")
    run_options(scratch)


def _base_list(options: argparse.Namespace) -> int:
    from model_server.checkpoint_format import HPARAMS_FILE, Sizes

    folders = sorted(path.parent for path in options.models.glob(f"*/{HPARAMS_FILE}"))
    packaged = packaged_base()
    if packaged.is_dir() and not (options.models / "demo").is_dir():
        folders.append(packaged)
    rows: list[dict[str, Any]] = [
        {"name": "demo" if f == packaged else f.name, "path": str(f),
         "parameters": Sizes.read(f).parameters}
        for f in folders
    ]  # fmt: skip
    if options.json:
        print_json(rows)
        return DONE
    for row in rows:
        print(f"{row['name']:<12} {row['parameters'] / 1e6:6.1f} M parameters  {row['path']}")
    print(worded("Next: botconvo train FRIEND --base NAME"))
    return DONE


def _base_download(options: argparse.Namespace) -> int:
    from finetune.download import download
    from finetune.progress import DownloadBar

    with DownloadBar(f"base {options.name}") as bar:
        folder = download(options.name, options.models, bar.report)
    print(worded(f"{folder} is ready. Next: botconvo train FRIEND --base {options.name}"))
    return DONE


def _base_scratch(options: argparse.Namespace) -> int:
    need_train_extra()
    from finetune.base_models import train_from_scratch
    from finetune.loop import Plan
    from finetune.pretraining_text import PretrainingText, Source
    from finetune.progress import ProgressBar
    from model_server.checkpoint_format import Sizes

    text = PretrainingText([Source.parse(t) for t in options.texts], options.seed)
    sizes = Sizes(options.vocabulary, options.window, options.width, options.heads, options.layers)
    plan = Plan(
        steps=max(1, round(options.tokens * 1e6 / (options.rows * options.window))),
        rate=options.rate,
        decay_share=options.decay_share,
        validate_every_steps=250 if text.held_out else 0,
        save_every_seconds=options.save_every,
        keep=1,
    )
    folder = options.models / options.name
    with ProgressBar(f"base {options.name}") as bar, redirect_stdout(sys.stderr):
        progress, scores = train_from_scratch(
            folder, text, sizes, plan, bar, rows=options.rows, optimizer=options.optimizer,
            seed=options.seed, threads=options.threads,
        )  # fmt: skip
    if not progress.finished:
        print(f"Saved at step {progress.step}. Next: the same command goes on from there.")
        return INTERRUPTED
    for source, value in scores.items():
        print(f"{source:<24} {value:.4f} bits per byte, held out")
    print(worded(f"{folder} is ready. Next: botconvo train FRIEND --base {options.name}"))
    return DONE
