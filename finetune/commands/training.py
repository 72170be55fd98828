"""`base`, `train` and `convert`: from a corpus to checkpoints."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.commands.console import (
    CHECKPOINTS,
    DONE,
    INTERRUPTED,
    MODELS,
    Commands,
    add_command,
    as_arguments,
    corpus_option,
    folder_name,
    json_option,
    packaged_base,
    print_json,
    read_clean,
    selection_options,
    worded,
)
from finetune.errors import FinetuneError

if TYPE_CHECKING:
    from finetune.dataset import CleanCorpus

TRAIN_EXTRA = ("tensorflow", "gpt_2_simple", "gguf")


def _need_train_extra() -> None:
    missing = [name for name in TRAIN_EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise FinetuneError(
            f"This command needs {', '.join(missing)}, which running does without; "
            "`./scripts/run` installs them by itself, or: pip install 'botconvo[train]'"
        )


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
    _training_options(scratch)


def _training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="default: all cores")
    parser.add_argument("--save-every", type=float, default=600.0, metavar="SECONDS")


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
    _need_train_extra()
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


def add_train(commands: Commands) -> None:
    parser = add_command(commands, "train", _train, "Fine-tune a base model on one friend.")
    parser.add_argument("friends", nargs="*", metavar="FRIEND")
    parser.add_argument("--all", action="store_true", help="everybody with enough messages")
    parser.add_argument("--base", default="demo", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--style", choices=["dialogue", "monologue"], default="dialogue")
    parser.add_argument("--pool", action="store_true",
                        help="first learn from everybody, then from the friend")  # fmt: skip
    parser.add_argument("--epochs", type=float, default=6.0, help="passes (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="instead of --epochs")
    parser.add_argument("--minutes", type=float, help="stop after so long")
    parser.add_argument("--rate", type=float, help="learning rate; default: by model size")
    parser.add_argument(
        "--keep",
        choices=["best", "last"],
        default="best",
        help="best: stop early, with the weights that do best on held-out messages; last: train "
        "on, towards more voice and more quoting",
    )
    parser.add_argument("--estimate", action="store_true", help="only say what it would cost")
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS, metavar="FOLDER")
    parser.add_argument("--models", type=Path, default=MODELS, metavar="FOLDER")
    _training_options(parser)
    selection_options(parser)
    corpus_option(parser)
    json_option(parser)


def _train(options: argparse.Namespace) -> int:
    if not options.estimate:
        _need_train_extra()
    from finetune.dataset import MINIMUM_MESSAGES

    if bool(options.friends) == options.all:
        raise FinetuneError("Name the friends to train, or give --all; see: botconvo friends")
    cleaned = read_clean(options)
    names = [cleaned.friend(name).name for name in options.friends] or [
        friend.name for friend in cleaned.friends() if friend.lines >= MINIMUM_MESSAGES
    ]
    for name in names:
        cleaned.require_enough(name)
    if options.estimate:
        return _estimate(options, cleaned, names)
    from finetune.base_models import find_base
    from finetune.train import AFTER_POOL_SHARE, EVERYBODY

    base = find_base(options.base, options.models, packaged_base())
    if options.pool:
        finished, _ = _train_one(options, cleaned, EVERYBODY, base, options.models)
        options.epochs *= AFTER_POOL_SHARE
        if not finished:
            return INTERRUPTED
        base = find_base(EVERYBODY, options.models, packaged_base())
    rows = []
    for name in names:
        finished, row = _train_one(options, cleaned, name, base, options.checkpoints)
        rows.append(row)
        if not finished:
            return INTERRUPTED
    if options.json:
        print_json(rows)
    else:
        for row in rows:
            print(
                f"{row['folder']}: {row['messages']} messages of {row['friend']}, "
                f"{row['bits_per_byte']} bits per byte on newer ones"
            )
        print(worded("Next: botconvo run"))
    return DONE


def _estimate(options: argparse.Namespace, cleaned: CleanCorpus, names: list[str]) -> int:
    from finetune.estimate import GPT2_SIZES, estimate
    from model_server.checkpoint_format import ENCODER_FILE, Codec, Sizes

    folder = options.models / options.base
    folder = folder if (folder / ENCODER_FILE).is_file() else packaged_base()
    # A model that is not there yet is reckoned with the small one's tokenizer, which makes
    # about a tenth more tokens of chat.
    sizes = GPT2_SIZES.get(options.base) or Sizes.read(folder)
    codec = Codec.read(folder)
    rows = []
    for name in names:
        found = estimate(cleaned.sessions, name, codec, sizes, options.style, options.epochs)
        rows.append({"friend": name, **asdict(found)})
    if options.json:
        print_json(rows)
        return DONE
    for row in rows:
        memory, disk = row["memory_bytes"] / 1e9, row["disk_bytes"] / 1e9
        print(
            f"{row['friend']}: up to {row['seconds'] / 60:.0f} min, "
            f"{memory:.1f} GB of memory, {disk:.1f} GB of disk"
        )
    print(worded(f"Next: botconvo train --base {options.base} {as_arguments(names[0])}"))
    return DONE


def _train_one(
    options: argparse.Namespace, cleaned: Any, name: str, base: Any, parent: Path
) -> tuple[bool, dict[str, Any]]:
    from finetune.progress import ProgressBar
    from finetune.train import TrainingSettings, train_friend

    settings = TrainingSettings(
        style=options.style, epochs=options.epochs, steps=options.steps,
        minutes=options.minutes, rate=options.rate, keep=options.keep, seed=options.seed,
        threads=options.threads, save_every_seconds=options.save_every,
    )  # fmt: skip
    with ProgressBar(name) as bar, redirect_stdout(sys.stderr):
        outcome = train_friend(cleaned, name, base, parent / folder_name(name), settings, bar)
    manifest = outcome.manifest
    if manifest is None:
        print(
            f"{name} is saved at step {outcome.progress.step}. "
            "Next: the same command goes on from there.",
            file=sys.stderr,
        )
        return False, {}
    return True, {
        "friend": name,
        "folder": str(outcome.folder),
        "step": manifest.step,
        "messages": manifest.trained_on.messages,
        "bits_per_byte": manifest.bits_per_byte.get("held_out"),
    }


def add_convert(commands: Commands) -> None:
    parser = add_command(
        commands, "convert", _convert, "Write the GGUF that the fast engine reads."
    )
    parser.add_argument("folder", type=Path, metavar="CHECKPOINT_FOLDER")
    parser.add_argument("--type", choices=["q8_0", "f16", "f32"], default="q8_0")
    json_option(parser)


def _convert(options: argparse.Namespace) -> int:
    _need_train_extra()
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
