"""`train`: from a corpus to checkpoints."""

from __future__ import annotations

import argparse
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
    need_train_extra,
    packaged_base,
    print_json,
    read_clean,
    run_options,
    selection_options,
    worded,
)
from finetune.errors import FinetuneError

if TYPE_CHECKING:
    from finetune.dataset import CleanCorpus


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
    run_options(parser)
    selection_options(parser)
    corpus_option(parser)
    json_option(parser)


def _train(options: argparse.Namespace) -> int:
    if not options.estimate:
        need_train_extra()
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
