"""Command lines of the fine-tuning package. Only this file of it prints."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.errors import BadExport, FinetuneError

if TYPE_CHECKING:
    from finetune.corpus import ImportReport
    from finetune.dataset import CleanCorpus

DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130

CORPUS = Path("data/corpus.sqlite")
CHECKPOINTS = Path("checkpoints")
MODELS = Path("models")
TRAIN_EXTRA = ("tensorflow", "gpt_2_simple", "gguf")

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    from model_server.checkpoint_format import CheckpointError

    try:
        command: Command = options.command
        return command(options)
    except (FinetuneError, CheckpointError) as error:
        print(f"botconvo: {worded(str(error))}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return INTERRUPTED


def worded(text: str) -> str:
    """The text with `botconvo` as the user calls it: scripts/run says how that is."""
    return text.replace("botconvo ", os.environ.get("BOTCONVO_COMMAND", "botconvo") + " ")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="botconvo", description="From chat exports to one model per friend."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_import(commands)
    _add_friends(commands)
    _add_dataset(commands)
    _add_base(commands)
    _add_train(commands)
    _add_convert(commands)
    return parser


Commands = Any  # argparse keeps the type of `add_subparsers` private


def _command(commands: Commands, name: str, command: Command, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=command)
    return parser


def _corpus_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus", type=Path, default=CORPUS, metavar="FILE", help=f"default: {CORPUS}"
    )


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _need_train_extra() -> None:
    missing = [name for name in TRAIN_EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise FinetuneError(
            f"This command needs {', '.join(missing)}, which running does without; "
            "`./scripts/run` installs them by itself, or: pip install 'botconvo[train]'"
        )


# --- import -------------------------------------------------------------------------------


def _add_import(commands: Commands) -> None:
    parser = _command(commands, "import", _import, "Read chat exports into the corpus.")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file or folder")
    _corpus_option(parser)
    _json_option(parser)


def _import(options: argparse.Namespace) -> int:
    from finetune.corpus import Corpus
    from finetune.importers import importer_for

    reports: list[ImportReport] = []
    problems: list[dict[str, str]] = []
    files, missing = _files(options.paths)
    problems += [{"path": str(p), "where": "", "reason": _missing(p)} for p in missing]
    readable = []
    for path in files:
        try:
            readable.append((path, importer_for(path)))
        except BadExport as error:
            problems.append({"path": str(path), "where": "", "reason": str(error)})
    if readable:
        with Corpus.open(options.corpus, create=True) as corpus:
            for path, importer in readable:
                try:
                    reports.append(corpus.add(importer, path))
                except BadExport as error:
                    problems.append({"path": str(path), "where": "", "reason": str(error)})
    problems += [
        {"path": report.path, "where": skipped.where, "reason": skipped.reason}
        for report in reports
        for skipped in report.problems
    ]
    if options.json:
        _print_json({"files": [_report_row(r) for r in reports], "problems": problems})
    else:
        _print_import(reports, problems)
    return MISTAKE if len(reports) < len(files) + len(missing) else DONE


def _files(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Files named or lying in the folders named, and paths where none is."""
    files: list[Path] = []
    missing: list[Path] = []
    for path in paths:
        if path.is_dir() and (inside := sorted(p for p in path.rglob("*.json") if p.is_file())):
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            missing.append(path)
    return files, missing


def _missing(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder without any .json file; export the chat into it as JSON."
    return f"{path}: no such file."


def _report_row(report: ImportReport) -> dict[str, Any]:
    return {
        "path": report.path,
        "format": report.format,
        "chat": report.chat,
        "read": report.read,
        "kept": report.kept,
        "duplicates": report.duplicates,
        "skipped": dict(report.skipped),
        "first": report.first.isoformat() if report.first else None,
        "last": report.last.isoformat() if report.last else None,
    }


def _print_import(reports: list[ImportReport], problems: list[dict[str, str]]) -> None:
    for r in reports:
        skipped = sum(r.skipped.values())
        print(
            f"{r.path}: {r.format}, {r.chat}: {r.read} read = {r.kept} new + "
            f"{r.duplicates} already there ({r.replaced} of them edited since) + "
            f"{skipped} skipped"
        )
    for problem in problems:
        where = f"{problem['path']}, {problem['where']}: " if problem["where"] else ""
        print(f"botconvo: {where}{problem['reason']}", file=sys.stderr)
    if reports:
        print(worded("Next: botconvo friends"))


# --- friends, dataset ---------------------------------------------------------------------


def _add_friends(commands: Commands) -> None:
    parser = _command(commands, "friends", _friends, "List who is in the corpus.")
    parser.add_argument("--all", action="store_true", help="bots and webhooks too")
    _corpus_option(parser)
    _json_option(parser)


def _friends(options: argparse.Namespace) -> int:
    from finetune.corpus import Corpus
    from finetune.dataset import CleanCorpus

    with Corpus.open(options.corpus) as corpus:
        accounts = [a for a in corpus.accounts() if options.all or a.kind == "person"]
        cleaned = CleanCorpus.read(corpus)
    usable = {friend.name: friend.lines for friend in cleaned.friends()}
    if options.json:
        rows = [
            {
                "name": a.name, "platform": a.platform, "id": a.id, "kind": a.kind,
                "messages": a.messages, "first": a.first.isoformat(),
                "last": a.last.isoformat(), "person": a.person,
            }
            for a in accounts
        ]  # fmt: skip
        _print_json(rows)
        return DONE
    print(f"{'name':<20} {'messages':>9} {'usable':>7}  from        to          kind")
    for a in accounts:
        span = f"{_day(a.first)}  {_day(a.last)}"
        print(f"{a.name:<20} {a.messages:>9} {usable.get(a.person, 0):>7}  {span}  {a.kind}")
    report = cleaned.report
    dropped = ", ".join(f"{count} {reason}" for reason, count in report.dropped.most_common())
    print(f"{report.read} messages = {report.kept} usable + {dropped or 'none dropped'}")
    if accounts:
        print(worded(f"Next: botconvo train {_quoted(accounts[0].person)}"))
    return DONE


def _day(time: datetime) -> str:
    return time.date().isoformat()


def _add_dataset(commands: Commands) -> None:
    parser = _command(
        commands, "dataset", _dataset, "Write the single-column CSV that gpt-2-simple reads."
    )
    parser.add_argument("friends", nargs="*", metavar="FRIEND", help="default: everybody")
    parser.add_argument("--out", type=Path, default=Path("data"), metavar="FOLDER")
    _corpus_option(parser)
    _json_option(parser)


def _dataset(options: argparse.Namespace) -> int:
    from finetune.corpus import Corpus
    from finetune.dataset import CleanCorpus, write_csv

    with Corpus.open(options.corpus) as corpus:
        cleaned = CleanCorpus.read(corpus)
    friends = [cleaned.friend(name) for name in options.friends] or cleaned.friends()
    rows = []
    for friend in friends:
        path = options.out / f"{folder_name(friend.name)}.csv"
        count = write_csv(cleaned.lines_of(friend.name), path)
        rows.append({"friend": friend.name, "path": str(path), "messages": count})
    if options.json:
        _print_json(rows)
        return DONE
    for row in rows:
        print(f"{row['path']}: {row['messages']} messages of {row['friend']}")
    if rows:
        print(worded(f"Next: botconvo train {_quoted(friends[0].name)}"))
    return DONE


# --- base, train, convert -----------------------------------------------------------------


def _add_base(commands: Commands) -> None:
    parser = _command(commands, "base", _base_list, "Base models to fine-tune from.")
    parser.add_argument("--models", type=Path, default=MODELS, metavar="FOLDER")
    parser.set_defaults(json=False)
    kinds = parser.add_subparsers(metavar="list|download|scratch")
    listing = _command(kinds, "list", _base_list, "What base models there are.")
    _json_option(listing)
    fetch = _command(kinds, "download", _base_download, "Fetch OpenAI's GPT-2.")
    fetch.add_argument("name", metavar="124M|355M|774M|1558M")
    scratch = _command(
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
        _print_json(rows)
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


def _add_train(commands: Commands) -> None:
    parser = _command(commands, "train", _train, "Fine-tune a base model on one friend.")
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
    _corpus_option(parser)
    _json_option(parser)


def _train(options: argparse.Namespace) -> int:
    if not options.estimate:
        _need_train_extra()
    from finetune.corpus import Corpus
    from finetune.dataset import MINIMUM_MESSAGES, CleanCorpus

    if bool(options.friends) == options.all:
        raise FinetuneError("Name the friends to train, or give --all; see: botconvo friends")
    with Corpus.open(options.corpus) as corpus:
        cleaned = CleanCorpus.read(corpus)
    names = [cleaned.friend(name).name for name in options.friends] or [
        friend.name for friend in cleaned.friends() if friend.lines >= MINIMUM_MESSAGES
    ]
    for name in names:
        cleaned.cut_date(name)
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
        _print_json(rows)
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
        _print_json(rows)
        return DONE
    for row in rows:
        memory, disk = row["memory_bytes"] / 1e9, row["disk_bytes"] / 1e9
        print(
            f"{row['friend']}: up to {row['seconds'] / 60:.0f} min, "
            f"{memory:.1f} GB of memory, {disk:.1f} GB of disk"
        )
    print(worded(f"Next: botconvo train {_quoted(names[0])} --base {options.base}"))
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


def _add_convert(commands: Commands) -> None:
    parser = _command(commands, "convert", _convert, "Write the GGUF that the fast engine reads.")
    parser.add_argument("folder", type=Path, metavar="CHECKPOINT_FOLDER")
    parser.add_argument("--type", choices=["q8_0", "f16", "f32"], default="q8_0")
    _json_option(parser)


def _convert(options: argparse.Namespace) -> int:
    _need_train_extra()
    from finetune.convert import convert_checkpoint

    if not options.folder.is_dir():
        raise FinetuneError(f"{options.folder}: there is no such checkpoint folder.")
    record = convert_checkpoint(options.folder, options.type)
    path = options.folder / record.file
    if options.json:
        _print_json({"path": str(path), "type": record.type, "step": record.from_step})
        return DONE
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, from step {record.from_step}")
    print(worded(f"Next: botconvo serve {options.folder} --port 8001"))
    return DONE


# --- shared -------------------------------------------------------------------------------


def packaged_base() -> Path:
    """The folder of the base model that is shipped with the demo."""
    spec = importlib.util.find_spec("orchestrator")
    root = Path(str(spec.origin)).parent if spec and spec.origin else Path()
    return root / "demo" / "base"


def folder_name(friend: str) -> str:
    """A friend's name as the name of a folder on any system."""
    return re.sub(r"[^\w-]+", "_", friend.casefold()).strip("_") or "friend"


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))
