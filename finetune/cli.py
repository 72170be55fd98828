"""Command line of the fine-tuning package; the commands are in `commands/`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress

from finetune.commands import (
    base,
    conversion,
    datasets,
    evaluation,
    importing,
    inspection,
    people,
    training,
)
from finetune.commands.console import DONE, FAILED, INTERRUPTED, MISTAKE, Command, sentence_on
from finetune.errors import FinetuneError, TrainingBroke
from finetune.replacing import named_in_errors
from finetune.wording import worded


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code."""
    try:
        return _run(build_parser().parse_args(arguments))
    except BrokenPipeError:
        # Whoever read along has left, as in `botconvo export | head`.
        sys.stdout = None
        return DONE
    except OSError as error:
        print(f"botconvo: {sentence_on(error)}", file=sys.stderr)
        # What cannot be written now cannot at the end either, and would be a traceback there.
        with suppress(OSError):
            print(end="", flush=True)
        sys.stdout = None
        return MISTAKE
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    from model_server.checkpoint_format import CheckpointError

    try:
        command: Command = options.command
        code = command(options)
    except (FinetuneError, CheckpointError) as error:
        print(f"botconvo: {worded(str(error))}", file=sys.stderr)
        return FAILED if isinstance(error, TrainingBroke) else MISTAKE
    with named_in_errors("standard output"):
        print(end="", flush=True)
    return code


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="botconvo", description="From chat exports to one model per friend."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        importing.add_import,
        people.add_friends,
        people.add_forget,
        inspection.add_stats,
        datasets.add_export,
        datasets.add_dataset,
        base.add_base,
        training.add_train,
        evaluation.add_evaluate,
        conversion.add_convert,
    ):
        add(commands)
    return parser
