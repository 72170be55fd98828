"""`botconvo forget`: takes a person out of everything that BotConvo keeps, with a receipt.

Corpus, datasets and checkpoints are the other process's business and are left to its command;
the transcript and the servers' logs are ours. Ours go first, while the other process still knows
all names of the person, so that after a failure the same call does the rest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from orchestrator.cli import worded
from orchestrator.errors import OrchestratorError
from orchestrator.servers.launch import log_file
from orchestrator.settings import FriendSettings, find_settings, read_settings
from orchestrator.transcript.file import transcript_paths
from orchestrator.transcript.traces import forget_speakers

DONE, FAILED = 0, 1

LATER = {
    True: "Later imports will leave them out.",
    False: "The corpus does not have them, so a later import could still bring them in.",
}

Receipt = dict[str, Any]


class _OtherFailed(Exception):
    """The other process failed, and has said why."""

    def __init__(self, code: int) -> None:
        self.code = code


def forget(name: str, *, settings: Path | None, corpus: Path | None, as_json: bool) -> int:
    """Returns an exit code: that of the other process if it fails. Raises OrchestratorError."""
    path = find_settings(settings)
    home = path.parent if path else Path()
    corpus = corpus or home / "data" / "corpus.sqlite"
    friends = read_settings(path).friends if path else ()
    try:
        plan = _other_process(name, home, corpus, "--dry-run", "--missing-ok")
        named = [friend for friend in friends if _is_of(friend, plan, home)]
        names = {*plan["names"], *(friend.name for friend in named)}
        lines = sum(forget_speakers(path, names) for path in transcript_paths(home))
        logs = _remove_logs(home / "data" / "logs", names)
        known_here = lines or logs or named
        receipt = _other_process(name, home, corpus, *(["--missing-ok"] if known_here else []))
    except _OtherFailed as error:
        return error.code
    receipt["removed"] += logs
    receipt["transcript_lines"] = lines
    receipt["still_in_settings"] = [friend.name for friend in named]
    if as_json:
        _say([json.dumps(receipt, ensure_ascii=False, indent=2)])
    else:
        _say(map(worded, _sentences(receipt, path)))
    return DONE


def _other_process(name: str, home: Path, corpus: Path, *options: str) -> Receipt:
    """What `finetune forget` answers. Raises _OtherFailed."""
    done = subprocess.run(
        [
            sys.executable, "-m", "finetune", "forget", "--json", *options,
            "--corpus", str(corpus), "--checkpoints", str(home / "checkpoints"),
            "--models", str(home / "models"), "--datasets", str(home / "data" / "datasets"),
            "--", name,
        ],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if done.returncode:
        raise _OtherFailed(done.returncode)
    receipt: Receipt = json.loads(done.stdout)
    return receipt


def _is_of(friend: FriendSettings, plan: Receipt, home: Path) -> bool:
    """Whether a friend of the settings is this person, by name or by checkpoint."""
    if {n.casefold() for n in (friend.name, *friend.aliases)} & {
        n.casefold() for n in plan["names"]
    }:
        return True
    if friend.checkpoint is None:
        return False
    return (home / friend.checkpoint).resolve() in {Path(p).resolve() for p in plan["removed"]}


def _remove_logs(folder: Path, names: Collection[str]) -> list[str]:
    """Removes what the friend's model servers logged. Raises OrchestratorError."""
    wanted = {log_file(folder, name).name.casefold() for name in names}
    found = [path for path in sorted(folder.glob("*.log")) if path.name.casefold() in wanted]
    for path in found:
        try:
            path.unlink()
        except OSError as error:
            raise OrchestratorError(
                f"{path} cannot be removed ({error.strerror}); mend that, then forget again."
            ) from error
    return [str(path) for path in found]


def _sentences(receipt: Receipt, settings: Path | None) -> list[str]:
    person = receipt["person"]
    return [
        f"{person} is forgotten. What was removed:",
        f"  corpus: {receipt['messages']} messages of {receipt['accounts']} accounts",
        *(f"  {path}" for path in receipt["removed"]),
        f"  transcript: {receipt['transcript_lines']} lines",
        LATER[bool(receipt["accounts"])],
        "What others wrote about them stays, and so do files that you exported or wrote elsewhere.",
        "A show that is running still knows them; end it and start it again.",
        *(
            f"{folder} has learnt from conversations with {person}: remove it, or train it again."
            for folder in receipt["learnt_from"]
        ),
        *(
            f"{left['path']} is left: {left['why']}; remove it if it holds words of {person}."
            for left in receipt["unclear"]
        ),
        *(
            f"{settings} still names {friend}: take its [[friends]] entry out."
            for friend in receipt["still_in_settings"]
        ),
    ]


def _say(lines: Sequence[str] | map[str]) -> None:
    try:
        print("\n".join(lines), flush=True)  # noqa: T201  # the receipt is this command's answer
    except BrokenPipeError:
        # Whoever read along has left, as in `botconvo forget Ana | head`.
        sys.stdout = None
