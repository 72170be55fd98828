"""`base`: what fine-tuning begins from."""

from __future__ import annotations

import argparse
import shlex
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
    count,
    json_option,
    need_train_extra,
    packaged_base,
    positive,
    print_json,
    run_options,
)
from finetune.errors import BadBaseModel
from finetune.wording import worded

if TYPE_CHECKING:
    from finetune.bases.hugging_face import Added


def add_base(commands: Commands) -> None:
    parser = add_command(commands, "base", _base_list, "Base models to fine-tune from.")
    parser.add_argument("--models", type=Path, default=MODELS, metavar="FOLDER")
    parser.set_defaults(json=False)
    kinds = parser.add_subparsers(metavar="list|download|add|scratch")
    listing = add_command(kinds, "list", _base_list, "What base models there are.")
    json_option(listing)
    fetch = add_command(kinds, "download", _base_download, "Fetch OpenAI's GPT-2.")
    fetch.add_argument("name", metavar="124M|355M|774M|1558M")
    add = add_command(kinds, "add", _base_add, "Take a GPT-2 from a Hugging Face folder.")
    add.add_argument("--hf", type=Path, required=True, metavar="FOLDER",
                     help="with config.json, weights and tokenizer, as downloaded")  # fmt: skip
    add.add_argument("--name", help="default: the folder's name")
    json_option(add)
    scratch = add_command(
        kinds, "scratch", _base_scratch, "Train a tokenizer and a small GPT-2 from nothing."
    )
    scratch.add_argument("texts", nargs="+", metavar="TEXT[=WEIGHT]",
                         help="plain text or dialogue JSON lines, .gz allowed; the weight says "
                              "how often the file counts in a pass")  # fmt: skip
    scratch.add_argument("--name", required=True)
    scratch.add_argument("--tokens", type=positive, default=16.0, metavar="MILLIONS",
                         help="millions of tokens to read (default: %(default)s)")  # fmt: skip
    scratch.add_argument("--vocabulary", type=count, default=6000)
    scratch.add_argument("--window", type=count, default=256)
    scratch.add_argument("--width", type=count, default=256)
    scratch.add_argument("--layers", type=count, default=6)
    scratch.add_argument("--heads", type=count, default=4)
    scratch.add_argument("--rows", type=count, default=16, help="windows per step")
    scratch.add_argument("--optimizer", choices=["muon", "adam"], default="muon")
    scratch.add_argument("--rate", type=positive, default=0.002)
    scratch.add_argument(
        "--decay-share", type=positive, default=0.4, metavar="SHARE",
        help="the last part of the run in which the rate falls to zero",
    )  # fmt: skip
    for kind in (listing, fetch, add, scratch):
        # Allowed on either side of the word; SUPPRESS lets the first one stand.
        kind.add_argument("--models", type=Path, default=argparse.SUPPRESS, metavar="FOLDER")
    run_options(scratch)


def _base_list(options: argparse.Namespace) -> int:
    from finetune.bases.base_models import find_base
    from finetune.bases.openai_models import DOWNLOADS
    from model_server.checkpoint_format import HPARAMS_FILE, CheckpointError

    rows, broken = [], []
    folders = {path.parent.name: path.parent for path in options.models.glob(f"*/{HPARAMS_FILE}")}
    if packaged_base().is_dir():
        folders.setdefault("demo", packaged_base())
    for name, folder in sorted(folders.items()):
        try:
            find_base(name, options.models, packaged_base())
            rows.append(_row(name, folder))
        except (CheckpointError, BadBaseModel) as error:
            broken.append(str(error))
    offered = [
        {"name": d.name, "parameters": d.sizes.parameters, "download_bytes": d.weight_bytes}
        for d in DOWNLOADS.values()
        if d.name not in folders
    ]
    if options.json:
        print_json({"here": rows, "to_download": offered, "unusable": broken})
        return DONE
    for row in rows:
        print(f"{row['name']:<12} {row['parameters'] / 1e6:7.1f} M parameters  {row['path']}")
    for problem in broken:
        print(f"Not usable: {problem}")
    if offered:
        choice = ", ".join(f"{d['name']} ({_gigabytes(d['download_bytes'])})" for d in offered)
        print(worded(f"To download, with botconvo base download NAME: {choice}"))
    print(worded("Next: botconvo train FRIEND --base NAME"))
    return DONE


def _row(name: str, folder: Path) -> dict[str, Any]:
    from model_server.checkpoint_format import Sizes

    return {"name": name, "path": str(folder), "parameters": Sizes.read(folder).parameters}


def _next(said: str, name: str) -> str:
    return worded(f"{said}Next: botconvo train FRIEND --base {shlex.quote(name)}")


def _gigabytes(count: Any) -> str:
    return f"{count / 1e9:.1f} GB"


def _base_download(options: argparse.Namespace) -> int:
    from finetune.bases.download import download
    from finetune.training.progress import DownloadBar

    with DownloadBar(f"base {options.name}") as bar:
        folder = download(options.name, options.models, bar.report)
    print(_next(f"{folder} is ready. ", options.name))
    return DONE


def _base_add(options: argparse.Namespace) -> int:
    need_train_extra()
    from finetune.bases.hugging_face import add_hugging_face

    added = add_hugging_face(options.hf, options.models, options.name)
    if options.json:
        print_json(_row(added.folder.name, added.folder) | {"notes": added.notes})
        return DONE
    _say_added(added)
    return DONE


def _say_added(added: Added) -> None:
    sizes = added.sizes
    print(
        f"{added.folder}: {sizes.parameters / 1e6:.1f} M parameters, {sizes.n_layer} layers, "
        f"{sizes.n_vocab} tokens, a window of {sizes.n_ctx}"
    )
    for note in added.notes:
        print(f"Note: {note}.")
    print(_next("", added.folder.name))


def _base_scratch(options: argparse.Namespace) -> int:
    need_train_extra()
    from finetune.bases.base_models import folder_for
    from finetune.bases.pretraining_text import PretrainingText, Source
    from finetune.training.loop import Plan
    from finetune.training.progress import ProgressBar
    from model_server.checkpoint_format import Sizes

    folder = folder_for(options.name, options.models)
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
    from finetune.bases.scratch import train_from_scratch

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
    print(_next(f"{folder} is ready. ", options.name))
    return DONE
