"""`botconvo forget`: takes a person out of everything that BotConvo keeps, with a receipt.

Corpus, datasets and checkpoints are the other process's business and are left to its command;
the transcript is ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from orchestrator.cli import worded
from orchestrator.settings import find_settings, read_settings
from orchestrator.transcript import forget_speakers

DONE, FAILED = 0, 1


def forget(name: str, *, settings: Path | None, corpus: Path | None, as_json: bool) -> int:
    """Returns an exit code: that of the other process if it fails. Raises OrchestratorError."""
    path = find_settings(settings)
    home = path.parent if path else Path()
    done = subprocess.run(
        [
            sys.executable, "-m", "finetune", "forget", name, "--json",
            "--corpus", str(corpus or home / "data" / "corpus.sqlite"),
            "--checkpoints", str(home / "checkpoints"), "--models", str(home / "models"),
            "--datasets", str(home / "data" / "datasets"),
        ],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if done.returncode:
        return done.returncode
    receipt: dict[str, Any] = json.loads(done.stdout)
    person = receipt["person"]
    named = [
        friend
        for friend in (read_settings(path).friends if path else ())
        if person.casefold() in {n.casefold() for n in (friend.name, *friend.aliases)}
    ]
    names = {name, person, *(friend.name for friend in named)}
    receipt["transcript_lines"] = forget_speakers(home / "data" / "transcript.sqlite", names)
    receipt["still_in_settings"] = [friend.name for friend in named]
    if as_json:
        _say(json.dumps(receipt, ensure_ascii=False, indent=2))
        return DONE
    for sentence in _sentences(receipt, path):
        _say(worded(sentence))
    return DONE


def _sentences(receipt: dict[str, Any], settings: Path | None) -> list[str]:
    person = receipt["person"]
    lines = [
        f"{person} is forgotten; later imports will leave them out. What was removed:",
        f"  corpus: {receipt['messages']} messages of {receipt['accounts']} accounts",
        *(f"  {path}" for path in receipt["removed"]),
        f"  transcript: {receipt['transcript_lines']} lines",
        "What others wrote about them stays, and so do your export files.",
    ]
    lines += [
        f"{folder} has learnt from conversations with {person}: remove it, or train it again."
        for folder in receipt["learnt_from"]
    ]
    lines += [
        f"{settings} still names {friend}: take its [[friends]] entry out."
        for friend in receipt["still_in_settings"]
    ]
    return lines


def _say(text: str) -> None:
    print(text)  # noqa: T201  # the receipt is this command's answer
