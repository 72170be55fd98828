"""`train`: from a corpus to checkpoints."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from finetune.commands.console import (
    CHECKPOINTS,
    DONE,
    INTERRUPTED,
    MODELS,
    Commands,
    add_command,
    corpus_option,
    count,
    json_option,
    need_train_extra,
    packaged_base,
    positive,
    print_json,
    read_clean,
    run_options,
    selection_options,
)
from finetune.errors import FinetuneError
from finetune.folder_names import folder_name
from finetune.wording import as_arguments, worded

if TYPE_CHECKING:
    from finetune.dataset import CleanCorpus
    from finetune.training.beginning import Beginning
    from model_server.checkpoint_format import Codec, Sizes


def add_train(commands: Commands) -> None:
    parser = add_command(commands, "train", _train, "Fine-tune a base model on one friend.")
    parser.add_argument("friends", nargs="*", metavar="FRIEND")
    parser.add_argument("--all", action="store_true", help="everybody with enough messages")
    parser.add_argument("--base", default="demo", metavar="NAME", help="default: %(default)s")
    parser.add_argument(
        "--from", dest="start", metavar="FOLDER[:STEP]",
        help="begin with the weights of a checkpoint folder instead, ours or gpt-2-simple's",
    )  # fmt: skip
    parser.add_argument("--style", choices=["dialogue", "monologue"], default="dialogue")
    parser.add_argument("--pool", action="store_true",
                        help="first learn from everybody, then from the friend")  # fmt: skip
    _length_options(parser)
    parser.add_argument(
        "--keep", type=count, default=5, metavar="N",
        help="newest weights to keep beside the best (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--restart", action="store_true",
                        help="begin anew where another run lies")  # fmt: skip
    parser.add_argument("--save-memory", action="store_true",
                        help="a little slower, with less memory")  # fmt: skip
    parser.add_argument("--estimate", action="store_true", help="only say what it would cost")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="of one friend's checkpoint")
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS, metavar="FOLDER")
    parser.add_argument("--models", type=Path, default=MODELS, metavar="FOLDER")
    run_options(parser)
    selection_options(parser)
    corpus_option(parser)
    json_option(parser)


def _length_options(parser: argparse.ArgumentParser) -> None:
    """How long to learn, and how fast."""
    parser.add_argument("--epochs", type=positive, default=6.0,
                        help="passes (default: %(default)s)")  # fmt: skip
    parser.add_argument("--steps", type=count, help="instead of --epochs")
    parser.add_argument("--minutes", type=positive, help="stop after so long")
    parser.add_argument("--rate", type=positive, help="learning rate; default: by model size")
    parser.add_argument(
        "--no-early-stop", dest="early_stop", action="store_false",
        help="train to the end and keep the last weights: more voice and more quoting",
    )  # fmt: skip


def _train(options: argparse.Namespace) -> int:
    with _leaving_at_once():
        if not options.estimate:
            need_train_extra()
        _require_sense(options)
        cleaned = read_clean(options)
        names = _names(options, cleaned)
        return _estimate(options, cleaned, names) if options.estimate else _run(
            options, cleaned, names
        )  # fmt: skip


@contextmanager
def _leaving_at_once() -> Iterator[None]:
    """Until the first step there is nothing to save, and TensorFlow's loading turns a
    KeyboardInterrupt into tracebacks of its own; so Ctrl-C simply ends the process."""

    def leave(number: int, frame: FrameType | None) -> None:
        os._exit(INTERRUPTED)

    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _require_sense(options: argparse.Namespace) -> None:
    """Raises FinetuneError for options that contradict each other."""
    if bool(options.friends) == options.all:
        either = "not both" if options.all else "see: botconvo friends"
        raise FinetuneError(f"Name the friends to train, or give --all; {either}")
    if options.out and len(options.friends) != 1:
        raise FinetuneError(
            "--out is the folder of one friend; name one friend, or give --checkpoints FOLDER, in "
            "which everybody gets a folder."
        )
    if options.start and options.pool:
        raise FinetuneError(
            "--pool begins with a base model and --from with a checkpoint; give one of them."
        )


def _names(options: argparse.Namespace, cleaned: CleanCorpus) -> list[str]:
    """Whom to train. Raises NoSuchFriend, TooLittleText."""
    from finetune.errors import TooLittleText
    from finetune.training.material import floor, require_enough

    if options.friends:
        names = list(dict.fromkeys(cleaned.friend(name).name for name in options.friends))
        for name in names:
            require_enough(cleaned, name, pooled=options.pool)
        return names
    able = []
    for friend in cleaned.friends():
        try:
            require_enough(cleaned, friend.name, pooled=options.pool)
            able.append(friend.name)
        except TooLittleText as error:
            print(worded(f"left out: {error}"), file=sys.stderr)
    if not able:
        raise TooLittleText(
            f"Nobody wrote the {floor(pooled=options.pool)} usable messages that training needs; "
            "import more chats, or choose less narrowly."
        )
    return able


def _run(options: argparse.Namespace, cleaned: CleanCorpus, names: list[str]) -> int:
    from finetune.bases.base_models import find_base
    from finetune.dataset import EVERYBODY
    from finetune.training.beginning import from_base, from_folder
    from finetune.training.train import AFTER_POOL_SHARE

    if options.start:
        beginning = from_folder(options.start)
    else:
        beginning = from_base(find_base(options.base, options.models, packaged_base()))
    if options.pool:
        finished, _ = _train_one(
            options, cleaned, EVERYBODY, beginning, options.models / folder_name(EVERYBODY)
        )
        options.epochs *= AFTER_POOL_SHARE
        if not finished:
            return INTERRUPTED
        beginning = from_base(find_base(EVERYBODY, options.models, packaged_base()))
    else:
        _advise(cleaned, names, beginning)
    rows = []
    for name in names:
        folder = options.out or options.checkpoints / folder_name(name)
        if folder.resolve() == beginning.folder.resolve():
            raise FinetuneError(
                f"{folder} holds the weights to begin with; name another folder with --out."
            )
        finished, row = _train_one(options, cleaned, name, beginning, folder)
        rows.append(row)
        if not finished:
            return INTERRUPTED
    _report(options, rows)
    return DONE


def _advise(cleaned: CleanCorpus, names: list[str], beginning: Beginning) -> None:
    """Says of friends with little text what would help."""
    from finetune.inspection import is_enough
    from model_server.checkpoint_format import Codec

    codec = Codec.read(beginning.folder)
    for name in names:
        found = is_enough(name, [line for line in cleaned.lines if line.person == name], codec)
        if found.way != "own model":
            print(
                worded(
                    f"{name} wrote {found.messages} usable messages, {found.tokens} tokens, which "
                    "is little for a model of one's own; --pool lets it learn from everybody first."
                ),
                file=sys.stderr,
            )


def _report(options: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    if options.json:
        print_json(rows)
        return
    for row in rows:
        tested = _tested(row["friend"], row["bits_per_byte"])
        print(f"{row['folder']}: {row['messages']} messages of {row['friend']}, {tested}")
    print(worded("Next: botconvo run"))


def _tested(friend: str, bits_per_byte: float | None) -> str:
    if bits_per_byte is not None:
        return f"{bits_per_byte} bits per byte on newer ones"
    return (
        f"not tested, as {friend} wrote none of the newest messages of these chats, which are held "
        f"out for that; import newer ones of {friend}, or train and evaluate with --until and a "
        f"day on which {friend} still wrote"
    )


def _estimate(options: argparse.Namespace, cleaned: CleanCorpus, names: list[str]) -> int:
    from finetune.training.disk import size_in_words
    from finetune.training.estimate import TOKENS_PER_STEP, estimate

    sizes, codec = _sizes_to_be(options)
    rows = []
    for name in names:
        found = estimate(
            cleaned.sessions, name, codec, sizes, options.style, options.epochs,
            tokens=options.steps and options.steps * TOKENS_PER_STEP, keep=options.keep,
            threads=options.threads,
        )  # fmt: skip
        rows.append({"friend": name, **asdict(found)})
    if options.json:
        print_json(rows)
        return DONE
    for row in rows:
        memory, disk = size_in_words(row["memory_bytes"]), size_in_words(row["disk_bytes"])
        minutes = max(1, round(row["seconds"] / 60))
        print(f"{row['friend']}: up to {minutes} min, {memory} of memory, {disk} of disk")
    if rows[0]["has_gpu"]:
        print("The time is the processor's; there is a GPU, which takes a fraction of it.")
    start = shlex.join(["--from", options.start] if options.start else ["--base", options.base])
    print(worded(f"Next: botconvo train {start} {as_arguments(*names)}"))
    return DONE


def _sizes_to_be(options: argparse.Namespace) -> tuple[Sizes, Codec]:
    """Of the model that would be trained, also of one that is not downloaded yet."""
    from finetune.bases.base_models import find_base
    from finetune.bases.openai_models import DOWNLOADS
    from model_server.checkpoint_format import ENCODER_FILE, Codec, Sizes

    if options.start:
        whole = Path(options.start)
        folder = whole if whole.is_dir() else Path(options.start.rpartition(":")[0])
        return Sizes.read(folder), Codec.read(folder)
    if options.base not in DOWNLOADS:
        folder = find_base(options.base, options.models, packaged_base()).folder
        return Sizes.read(folder), Codec.read(folder)
    folder = options.models / options.base
    # A model that is not there yet is reckoned with the small one's tokenizer, which makes
    # about a tenth more tokens of chat.
    folder = folder if (folder / ENCODER_FILE).is_file() else packaged_base()
    return DOWNLOADS[options.base].sizes, Codec.read(folder)


def _train_one(
    options: argparse.Namespace, cleaned: CleanCorpus, name: str, beginning: Beginning, folder: Path
) -> tuple[bool, dict[str, Any]]:
    from finetune.dataset import EVERYBODY
    from finetune.training.progress import ProgressBar
    from finetune.training.train import TrainingSettings, train_friend

    settings = TrainingSettings(
        style=options.style, epochs=options.epochs, steps=options.steps,
        minutes=options.minutes, rate=options.rate, keep=options.keep,
        early_stop=options.early_stop, seed=options.seed, threads=options.threads,
        save_every_seconds=options.save_every, save_memory=options.save_memory,
        restart=options.restart, pooled=options.pool,
    )  # fmt: skip
    talk = worded(f"to talk with it meanwhile: botconvo chat {as_arguments(name)}")
    hint = talk if name != EVERYBODY and folder.parent == CHECKPOINTS else ""
    with ProgressBar(name, hint=hint) as bar, redirect_stdout(sys.stderr):
        outcome = train_friend(cleaned, name, beginning, folder, settings, bar)
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
