"""`botconvo clone`: walks somebody from their chat exports to the show.

Everything is done by the commands that the user could call alone; this asks, says what
comes next, and waits. It shares data with the other process, not code.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.cli import worded
from orchestrator.errors import OrchestratorError

DONE, MISTAKE, INTERRUPTED = 0, 2, 130

LARGE, SMALL = "124M", "demo"
PROPOSED_FRIENDS = 4
SHOWN_FILES = 12
ENOUGH_MESSAGES = 100
BEARABLE_SECONDS = 12 * 3600
"""A night. A machine that takes longer for all friends gets the small model."""


def clone(
    exports: Sequence[Path], *, assume_yes: bool, minutes: float | None, base: str | None
) -> int:
    """Import, choice, estimate, training. Returns an exit code; 0 means: on to the show."""
    imported = _finetune("import", names=[str(path) for path in exports])
    for problem in imported["problems"][:SHOWN_FILES]:
        where = f"{problem['path']}, {problem['where']}: " if problem["where"] else ""
        _say(where + problem["reason"])
    if not imported["files"]:
        return MISTAKE
    for file in imported["files"][:SHOWN_FILES]:
        _say(f"{file['path']}: {file['read']} messages of {file['chat']}, {file['kept']} new")
    if len(imported["files"]) > SHOWN_FILES:
        _say(f"... and {len(imported['files']) - SHOWN_FILES} more files")
    friends = _choose(_who_is_in_it(assume_yes), assume_yes)
    base, costs = (base, _costs(friends, base)) if base else _best_base(friends)
    seconds = sum(cost["seconds"] for cost in costs)
    disk = sum(cost["disk_bytes"] for cost in costs)
    limit = f", and no longer than {minutes:g} minutes each" if minutes else ""
    _say(
        f"Training {', '.join(friends)} on this machine takes up to {_duration(seconds)}{limit}, "
        f"and {disk / 1e9:.1f} GB of disk. It can be stopped with Ctrl-C and goes on with the "
        "same command."
    )
    arguments = ["train", "--base", base]
    arguments += ["--pool"] if base == SMALL else []
    arguments += ["--minutes", f"{minutes:g}"] if minutes else []
    arguments += ["--", *friends]
    if not assume_yes and not _agreed("Begin"):
        _say(f"Next, when you like: botconvo {shlex.join(arguments)}")
        return INTERRUPTED
    return _left_to_it(arguments)


def _costs(friends: list[str], base: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _finetune("train", "--estimate", "--base", base, names=friends)
    return rows


def _best_base(friends: list[str]) -> tuple[str, list[dict[str, Any]]]:
    """The large model if it is there or can be had and this machine can bear it."""
    costs = _costs(friends, LARGE)
    need = max(cost["memory_bytes"] for cost in costs)
    memory = _memory_bytes()
    seconds = sum(cost["seconds"] for cost in costs)
    if memory is not None and memory < need:
        reason = f"it needs {need / 1e9:.0f} GB of memory and there are {memory / 1e9:.0f}"
    elif seconds > BEARABLE_SECONDS:
        reason = f"it would take {_duration(seconds)} here"
    else:
        _say(f"Fetching the base model {LARGE} (500 MB, once) ...")
        code = _left_to_it(["base", "download", LARGE])
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code == DONE:
            _say(f"Base model: {LARGE}.")
            return LARGE, costs
        reason = "it cannot be downloaded now"
    _say(f"Base model: the small one that comes with BotConvo, instead of {LARGE}: {reason}.")
    return SMALL, _costs(friends, SMALL)


def _who_is_in_it(assume_yes: bool) -> list[dict[str, Any]]:
    """All accounts with the persons behind them, after asking who is the same on two platforms."""
    rows: list[dict[str, Any]] = _finetune("friends")
    for one, *others in _namesakes(rows):
        also = " and ".join(others)
        merge = ["friends", "merge", "--", one, *others]
        if assume_yes:  # two people in one model would be hard to notice later
            _say(f"{one} and {also} have the same name and stay apart; if they are one person: "
                 f"botconvo {shlex.join(merge)}")  # fmt: skip
        elif _agreed(f"{one} and {also} have the same name. Are they one person"):
            merging = subprocess.run(_command(*merge), stdin=subprocess.DEVNULL, check=False)
            if merging.returncode:
                raise OrchestratorError("They could not be merged; see above for why.")
            rows = _finetune("friends")
    return rows


def _namesakes(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Persons who go by one name on different platforms, the plainest name first."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["kind"] == "person":
            found.setdefault(row["name"].casefold(), {})[row["person"]] = row["platform"]
    return [
        sorted(persons, key=len)
        for persons in found.values()
        if len(persons) > 1 and len(set(persons.values())) == len(persons)
    ]


def _choose(rows: list[dict[str, Any]], assume_yes: bool) -> list[str]:
    """Names of the friends to clone. Raises OrchestratorError if nobody wrote enough."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["person"]] = counts.get(row["person"], 0) + row["messages"]
    able = sorted((n for n in counts if counts[n] >= ENOUGH_MESSAGES), key=lambda n: -counts[n])
    if not able:
        raise OrchestratorError(
            f"Nobody wrote {ENOUGH_MESSAGES} messages in this chat; import a longer one."
        )
    _say("Who is in it:")
    for number, name in enumerate(able, 1):
        _say(f"{number:>4}  {name} ({counts[name]} messages)")
    proposal = able[:PROPOSED_FRIENDS]
    if assume_yes:
        return proposal
    while True:
        answer = _ask(f"Whom to clone? Numbers, or Enter for {', '.join(proposal)}: ")
        if not answer:
            return proposal
        if chosen := _chosen(answer, able):
            return chosen
        _say(f"Numbers from 1 to {len(able)}, please, such as: 1 2")


def _chosen(answer: str, able: list[str]) -> list[str]:
    """Those whose numbers or names were typed; empty if any of it is neither."""
    known = {name.casefold(): name for name in able}
    known.update({str(number): name for number, name in enumerate(able, 1)})
    for words in (answer.casefold().split(","), answer.replace(",", " ").split()):
        found = [known.get(word.strip()) for word in words]
        if all(found):
            return [name for name in dict.fromkeys(found) if name]
    return []


def _agreed(question: str) -> bool:
    return _ask(f"{question}? [Y/n] ").casefold() in ("", "y", "yes")


def _ask(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError as error:
        raise OrchestratorError(
            "There is nobody to answer; give --yes to take what is proposed."
        ) from error


def _finetune(*arguments: str, names: Sequence[str] = ()) -> Any:
    """What one command of the fine-tuning process reports, on these names of people or files. What
    went wrong goes to the user as it is. Raises OrchestratorError if it fails."""
    about = ["--", *names] if names else []
    done = subprocess.run(
        [*_command(*arguments), "--json", *about], capture_output=True, text=True,
        encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        print(done.stderr, end="", file=sys.stderr)  # noqa: T201  # it says what to do
        raise OrchestratorError(
            f"`botconvo {arguments[0]}` did not work; see above for what to do."
        ) from error


def _left_to_it(arguments: Sequence[str]) -> int:
    """The exit code of a command that takes its time and speaks for itself. Ctrl-C reaches it too,
    and it is waited for, as it first saves what it has."""
    with subprocess.Popen(_command(*arguments), stdin=subprocess.DEVNULL) as running:
        while True:
            try:
                return running.wait()
            except KeyboardInterrupt:
                continue


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "finetune", *arguments]


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _say(text: str) -> None:
    print(worded(text), flush=True)  # noqa: T201  # this walk is the command line's own voice
