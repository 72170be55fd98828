"""The console script `botconvo`: `run`, `chat`, `clone`, `forget`, and the lazy door to the
commands of the other two packages."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.errors import OrchestratorError

DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130

OTHER_PACKAGES = {
    "import": ("finetune", "read chat exports into the corpus"),
    "friends": ("finetune", "who is in the corpus: list, merge, split, rename"),
    "stats": ("finetune", "what is in the corpus, and whether it is enough"),
    "export": ("finetune", "write the corpus in a neutral form"),
    "dataset": ("finetune", "write a friend's training, validation and test text"),
    "base": ("finetune", "base models: list, or train one from scratch"),
    "train": ("finetune", "fine-tune a model on one friend"),
    "convert": ("finetune", "make a checkpoint fit for the fast engine"),
    "serve": ("model_server", "serve one friend's checkpoint over HTTP"),
}


def console() -> None:
    """Entry point of the console script."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code."""
    if arguments and arguments[0] in OTHER_PACKAGES:
        package, _ = OTHER_PACKAGES[arguments[0]]
        other: Callable[[Sequence[str]], int] = importlib.import_module(f"{package}.cli").main
        return other(arguments)
    options = build_parser().parse_args(arguments)
    from model_server.checkpoint_format import CheckpointError

    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except (OrchestratorError, CheckpointError) as error:
        print(f"botconvo: {worded(str(error))}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return INTERRUPTED


def worded(text: str) -> str:
    """The text with `botconvo` as the user calls it: scripts/run says how that is."""
    return text.replace("botconvo ", os.environ.get("BOTCONVO_COMMAND", "botconvo") + " ")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="botconvo", description="Bot-clones of your friends that talk to each other."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="start the show")
    _show_options(run)
    run.set_defaults(command=_run, friend=None)
    chat = commands.add_parser("chat", help="talk with one friend")
    chat.add_argument("friend", metavar="FRIEND")
    _show_options(chat)
    chat.set_defaults(command=_run)
    clone = commands.add_parser("clone", help="from your chat exports to the show")
    clone.add_argument("exports", nargs="+", type=Path, metavar="EXPORT")
    clone.add_argument("--yes", action="store_true", help="take every proposal, ask nothing")
    clone.add_argument("--minutes", type=float, help="training time per friend, at most")
    clone.add_argument("--base", metavar="NAME", help="default: 124M where that can be had")
    clone.add_argument("--no-show", action="store_true", help="train only")
    clone.set_defaults(command=_clone)
    forget = commands.add_parser("forget", help="take a person out of everything")
    forget.add_argument("friend", metavar="FRIEND")
    forget.add_argument("--settings", type=Path, metavar="FILE")
    forget.add_argument("--corpus", type=Path, metavar="FILE")
    forget.add_argument("--json", action="store_true", help="print one JSON document")
    forget.set_defaults(command=_forget)
    for name, (_, text) in OTHER_PACKAGES.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def _show_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", type=Path, metavar="FILE")
    parser.add_argument("--platform", choices=["terminal"], help="this stage only")
    parser.add_argument("--lines", type=int, metavar="N", help="end after so many lines")
    parser.add_argument("--seed", type=int, help="the same lines on every run")
    parser.add_argument("--fast", action="store_true", help="no pauses")
    parser.add_argument("--new", action="store_true", help="begin a fresh conversation")
    parser.add_argument("--verbose", action="store_true", help="log what goes on")


def _run(options: argparse.Namespace) -> int:
    from orchestrator.show import ShowOptions, run_show

    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    if options.lines is not None and options.lines < 1:
        raise OrchestratorError("--lines: at least one line, please.")
    show = ShowOptions(
        settings=options.settings, friend=options.friend, platform=options.platform,
        lines=options.lines, seed=options.seed, fast=options.fast, new=options.new,
    )  # fmt: skip
    try:
        asyncio.run(run_show(show))
    except BrokenPipeError:
        # Whoever read along has left, as in `botconvo run | head`.
        sys.stdout = None
    return DONE


def _forget(options: argparse.Namespace) -> int:
    from orchestrator.forget import forget

    code: int = forget(
        options.friend, settings=options.settings, corpus=options.corpus, as_json=options.json
    )
    return code


def _clone(options: argparse.Namespace) -> int:
    from orchestrator.clone import clone

    code: int = clone(
        options.exports, assume_yes=options.yes, minutes=options.minutes, base=options.base
    )
    if code != DONE or options.no_show:
        return code
    return main(["run", "--new"])
