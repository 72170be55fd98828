"""The console script `botconvo`: `run`, `chat`, `clone`, `forget`, `why`, `transcript`, and the
lazy door to the commands of the other two packages."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from orchestrator.errors import NobodySpeaks, OrchestratorError

DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130

PLATFORMS = ("terminal", "web", "discord", "telegram")
CHAT_PLATFORMS = ("discord", "telegram")
"""Those that `botconvo doctor` knows by name."""
LARGEST_SEED = 2**63 - 1
"""SQLite, which keeps it, has no larger numbers."""

OTHER_PACKAGES = {
    "import": ("finetune", "read chat exports into the corpus"),
    "friends": ("finetune", "who is in the corpus: list, merge, split, rename"),
    "stats": ("finetune", "what is in the corpus, and whether it is enough"),
    "export": ("finetune", "write the corpus in a neutral form"),
    "dataset": ("finetune", "write a friend's training, validation and test text"),
    "base": ("finetune", "base models: list, download, add, or train one from scratch"),
    "train": ("finetune", "fine-tune a model on one friend"),
    "evaluate": ("finetune", "how good the clones are, as a page with pictures"),
    "convert": ("finetune", "make a checkpoint fit for the fast engine"),
    "serve": ("model_server", "serve one friend's checkpoint over HTTP"),
}


def console() -> None:
    """Entry point of the console script."""
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # while another package loads
        sys.exit(INTERRUPTED)


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code."""
    _prepare_output()
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
        return FAILED if isinstance(error, NobodySpeaks) else MISTAKE
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
    run.set_defaults(command=_run)
    _chat_command(commands)
    clone = commands.add_parser("clone", help="from your chat exports to the show")
    clone.add_argument("exports", nargs="+", type=Path, metavar="EXPORT")
    clone.add_argument("--yes", action="store_true", help="take every proposal, ask nothing")
    clone.add_argument("--minutes", type=_positive, help="training time per friend, at most")
    clone.add_argument("--base", metavar="NAME", help="default: 124M where that can be had")
    clone.add_argument("--no-show", action="store_true", help="train only")
    clone.set_defaults(command=_clone)
    forget = commands.add_parser("forget", help="take a person out of everything")
    forget.add_argument("friend", metavar="FRIEND")
    forget.add_argument("--settings", type=Path, metavar="FILE")
    forget.add_argument("--corpus", type=Path, metavar="FILE")
    forget.add_argument("--json", action="store_true", help="print one JSON document")
    forget.set_defaults(command=_forget)
    _transcript_commands(commands)
    text = "look whether everything is in order, and how to mend what is not"
    doctor = commands.add_parser("doctor", help=text, description=text)
    doctor.add_argument(
        "platform", nargs="?", choices=CHAT_PLATFORMS, metavar="PLATFORM",
        help="only this one, also if no stage is there yet: " + ", ".join(CHAT_PLATFORMS),
    )  # fmt: skip
    doctor.add_argument("--settings", type=Path, metavar="FILE")
    doctor.add_argument("--post", action="store_true", help="post a line and delete it again")
    doctor.add_argument("--deep", action="store_true", help="have every friend say a few words")
    doctor.add_argument("--json", action="store_true", help="print one JSON document")
    doctor.set_defaults(command=_doctor)
    for name, (_, text) in OTHER_PACKAGES.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def _positive(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")


def _chat_command(commands: Any) -> None:  # argparse keeps the type private
    chat = commands.add_parser(
        "chat", help="talk with one friend",
        description="Talk with one friend alone. On a pipe: a line in, an answer out. What is said "
        "is forgotten at the end, unless --keep says otherwise.",
    )  # fmt: skip
    chat.add_argument("friend", nargs="?", default="", metavar="FRIEND")
    chat.add_argument("--my-name", metavar="NAME", help="as whom the friend sees you")
    chat.add_argument("--url", help="of a model server that runs already; needs no settings")
    chat.add_argument("--keep", type=Path, metavar="FILE", help="add what is said to this file")
    chat.add_argument("--settings", type=Path, metavar="FILE")
    chat.add_argument("--verbose", action="store_true", help="log what goes on")
    chat.set_defaults(command=_chat)


def _transcript_commands(commands: Any) -> None:  # argparse keeps the type private
    text = "why a line was said, or why nobody talks"
    why = commands.add_parser("why", help=text, description=text)
    why.add_argument("line", nargs="?", default="last", metavar="LINE", help="its number, or: last")
    why.add_argument("--json", action="store_true", help="print one JSON document")
    _which_show(why)
    why.set_defaults(command=_why)
    text = "what was said: on the terminal, or as a file to keep"
    transcript = commands.add_parser("transcript", help=text, description=text)
    transcript.add_argument(
        "--since", metavar="WHEN", help="2026-03-31, '2026-03-31 18:00', 2h, '3 days', yesterday"
    )
    transcript.add_argument("--until", metavar="WHEN", help="a day counts as a whole")
    transcript.add_argument("--search", metavar="TEXT", help="lines with all of these words")
    transcript.add_argument("--all", action="store_true", help="all conversations, not the last")
    forms = transcript.add_mutually_exclusive_group()
    for form, text in (
        ("html", "one web page; a click on a line shows why it was said"),
        ("md", "Markdown"),
        ("jsonl", "JSON lines with the reasons, also of silences and commands"),
    ):
        forms.add_argument(
            f"--{form}", action="store_const", const=form, dest="form", default="text", help=text
        )
    transcript.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    _which_show(transcript)
    transcript.set_defaults(command=_transcript)
    text = "repeat a conversation from its seed, and say where it differs"
    replay = commands.add_parser("replay", help=text, description=text)
    replay.add_argument("--conversation", type=int, metavar="N", help="default: the last one")
    replay.add_argument(
        "--choices", action="store_true", help="only who spoke about what; asks no model"
    )
    replay.add_argument("--json", action="store_true", help="print one JSON document")
    _which_show(replay)
    replay.set_defaults(command=_replay)


def _which_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--of", default="main", metavar="NAME",
        help="conversation of the stages with this word as their conversation in the settings",
    )  # fmt: skip
    parser.add_argument("--settings", type=Path, metavar="FILE")


def _show_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", type=Path, metavar="FILE")
    parser.add_argument(
        "--platform", choices=PLATFORMS, action="append", default=[],
        help="only this stage of the settings; may be given again for another one",
    )  # fmt: skip
    parser.add_argument("--lines", type=int, metavar="N", help="end after so many lines")
    parser.add_argument("--seed", type=int, help="the same lines on every run")
    parser.add_argument("--fast", action="store_true", help="no pauses")
    parser.add_argument("--new", action="store_true", help="begin a fresh conversation")
    parser.add_argument("--verbose", action="store_true", help="log what goes on")


def _run(options: argparse.Namespace) -> int:
    from orchestrator.show import ShowOptions, run_show

    _log_to_standard_error(is_verbose=options.verbose)
    logging.getLogger("orchestrator.show").setLevel(logging.INFO)
    if options.lines is not None and options.lines < 1:
        raise OrchestratorError("--lines: at least one line, please.")
    if options.seed is not None and abs(options.seed) > LARGEST_SEED:
        raise OrchestratorError(f"--seed: a number up to {LARGEST_SEED}, please.")
    show = ShowOptions(
        settings=options.settings, platforms=tuple(options.platform),
        lines=options.lines, seed=options.seed, fast=options.fast, new=options.new,
    )  # fmt: skip
    try:
        asyncio.run(run_show(show))
    except BrokenPipeError:
        # Whoever read along has left, as in `botconvo run | head`.
        sys.stdout = None
    return DONE


def _chat(options: argparse.Namespace) -> int:
    from orchestrator.one_to_one.chat import ChatOptions, run_chat

    _log_to_standard_error(is_verbose=options.verbose)
    chat = ChatOptions(options.friend, options.settings, options.url, options.my_name, options.keep)
    try:
        return DONE if asyncio.run(run_chat(chat)) else FAILED
    except KeyboardInterrupt:  # Windows; elsewhere the signal is handled
        return DONE
    except BrokenPipeError:
        sys.stdout = None
        return DONE


def _log_to_standard_error(*, is_verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if is_verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def _forget(options: argparse.Namespace) -> int:
    from orchestrator.forget import forget

    code: int = forget(
        options.friend, settings=options.settings, corpus=options.corpus, as_json=options.json
    )
    return code


def _why(options: argparse.Namespace) -> int:
    from orchestrator.transcript.commands import why

    _put([why(options.line, options.settings, options.of, as_json=options.json)])
    return DONE


def _transcript(options: argparse.Namespace) -> int:
    from orchestrator.transcript.commands import Choice, transcript_pieces, write

    choice = Choice(
        options.since, options.until, options.search, options.all, options.form, options.of
    )
    pieces = transcript_pieces(choice, options.settings, datetime.now(UTC))
    if options.out is None:
        _put(pieces)
    else:
        write(pieces, options.out)
        print(f"{options.out} is written.")
    return DONE


def _replay(options: argparse.Namespace) -> int:
    from orchestrator.rerun import ReplayOptions, replay

    text, is_same = replay(
        ReplayOptions(
            options.settings, options.conversation, words=not options.choices,
            as_json=options.json, of=options.of,
        )
    )  # fmt: skip
    _put([text, "\n"])
    return DONE if is_same else FAILED


def _prepare_output() -> None:
    """Makes standard output take whatever people and models write, also where the system's
    language has no such signs."""
    if isinstance(sys.stdout, TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="replace")
        else:
            sys.stdout.reconfigure(encoding="utf-8")


def _put(pieces: Iterable[str]) -> None:
    """Prints pieces as they come."""
    try:
        for piece in pieces:
            print(piece, end="")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read along has left, as in `botconvo transcript | head`.
        sys.stdout = None


def _doctor(options: argparse.Namespace) -> int:
    from orchestrator.doctor import checks_of, document, examined, line_of, summary

    # What is amiss with servers comes as a finding.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    findings = []
    found = examined(
        options.settings, is_deep=options.deep, checks=checks_of(options.platform or ""),
        platform=options.platform or "", is_posting=options.post,
    )  # fmt: skip
    for finding in found:
        findings.append(finding)
        if not options.json:
            print(worded(line_of(finding)), flush=True)
    if options.json:
        print(json.dumps(document(findings), ensure_ascii=False, indent=2))
    else:
        print(summary(findings))
    return FAILED if any(finding.kind == "problem" for finding in findings) else DONE


def _clone(options: argparse.Namespace) -> int:
    from orchestrator.clone import clone

    code: int = clone(
        options.exports, assume_yes=options.yes, minutes=options.minutes, base=options.base
    )
    if code != DONE or options.no_show:
        return code
    return main(["run", "--new"])
