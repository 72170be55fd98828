"""Are the show's own files in order: settings, transcript, corpus, secrets."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from orchestrator.checks import Finding, Patient
from orchestrator.sections import looks_like_a_token
from orchestrator.tokens import OTHERS_MAY_READ, is_guarded
from orchestrator.transcript.file import PATIENCE_SECONDS, SCHEMA_VERSION, transcript_paths

SECRET_KEY = re.compile(r"(^|_)(token|secret|password|passwd|api_?key|key)$", re.IGNORECASE)


def settings(patient: Patient) -> Iterator[Finding]:
    """Whether the settings can be used, and what they come to."""
    name = str(patient.settings_file or "no settings file: the defaults")
    if patient.show is None:
        yield Finding("problem", "settings", patient.complaint.rstrip("."), "mend that first; "
                      "some of the other checks need it")  # fmt: skip
        return
    friends = ", ".join(friend.name for friend in patient.show.friends)
    demo = " of the demo" if patient.show.is_demo else ""
    yield Finding("ok", "settings", f"{name}; friends{demo}: {friends}")


def secrets(patient: Patient) -> Iterator[Finding]:
    """Tokens stand in no settings, and files that hold one are their owner's alone."""
    seen = False
    for key, value in _strings(patient.written):
        last = key.rpartition(".")[2]
        if last.endswith(("token_file", "key_file")):
            seen = True
            yield _secret_file(key, patient.home / value)
        elif value and (SECRET_KEY.search(last) or looks_like_a_token(value)):
            seen = True
            yield Finding(
                "problem", "secrets", f"{key} in {patient.settings_file} looks like a secret, "
                "which others read along with the settings",
                "write it into a file of its own, name that in a key ending in token_file, and get "
                "a new token, as this one may be known",
            )  # fmt: skip
    if not seen:
        yield Finding("ok", "secrets", "the settings hold none")


def _strings(data: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every string in the settings, with its key as "stages[0].token_file"."""
    if isinstance(data, str):
        yield where, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _strings(value, f"{where}.{key}" if where else key)
    elif isinstance(data, list):
        for place, value in enumerate(data):
            yield from _strings(value, f"{where}[{place}]")


def _secret_file(key: str, path: Path) -> Finding:
    try:
        status = path.stat()
        has_text = bool(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        return Finding("problem", "secrets", f"{key}: {path} cannot be read ({why.lower()})",
                       "write the token into it")  # fmt: skip
    if not has_text:
        return Finding("problem", "secrets", f"{key}: {path} is empty", "write the token into it")
    if os.name == "posix" and status.st_mode & OTHERS_MAY_READ and not is_guarded(path):
        return Finding("problem", "secrets", f"{key}: {path} may be read by others",
                       f"mend that with: chmod 600 {path}")  # fmt: skip
    return Finding("ok", "secrets", f"{key}: {path} is its owner's alone")


def transcript(patient: Patient) -> Iterator[Finding]:
    """The transcript opens, is whole, and of a form that this version reads."""
    paths = transcript_paths(patient.home)
    if not paths:
        yield Finding("ok", "transcript", "none yet")
    for path in paths:
        yield _transcript(path)


def _transcript(path: Path) -> Finding:
    remedy = f"end the show if one runs, and move {path} away; the next show begins a new one"
    try:
        version, verdict = _looked_into(path)
    except sqlite3.DatabaseError as error:
        return Finding("problem", "transcript", f"{path}: {error}", remedy)
    if verdict != "ok":
        return Finding("problem", "transcript", f"{path} is damaged: {verdict}", remedy)
    if version > SCHEMA_VERSION:
        return Finding("problem", "transcript", f"{path} is of a newer version of BotConvo "
                      f"(schema {version})", f"install the newer version, or {remedy}")  # fmt: skip
    if version < 1:
        return Finding("problem", "transcript", f"{path} is another program's", remedy)
    if version < SCHEMA_VERSION:
        return Finding("ok", "transcript", f"{path}, of an older form (schema {version}), which "
                      "the next show brings up to date")  # fmt: skip
    return Finding("ok", "transcript", f"{path}, schema {version}, {_size(path)}")


def corpus(patient: Patient) -> Iterator[Finding]:
    """The corpus, which only training needs, is there and whole."""
    path = patient.home / "data" / "corpus.sqlite"
    if not path.exists():
        yield Finding("ok", "corpus", "none yet; botconvo import EXPORT makes it")
        return
    remedy = f"move {path} away, and import your exports again"
    try:
        version, verdict = _looked_into(path)
    except sqlite3.DatabaseError as error:
        yield Finding("problem", "corpus", f"{path}: {error}", remedy)
        return
    if verdict != "ok" or version < 1:
        why = "another program's" if verdict == "ok" else f"damaged: {verdict}"
        yield Finding("problem", "corpus", f"{path} is {why}", remedy)
    else:
        yield Finding("ok", "corpus", f"{path}, schema {version}, {_size(path)}")


def _looked_into(path: Path) -> tuple[int, str]:
    """A database's schema version, and SQLite's verdict on it. Changes nothing. Raises
    sqlite3.DatabaseError."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_SECONDS)) as database:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        verdict = str(database.execute("PRAGMA quick_check(1)").fetchone()[0])
    return version, " ".join(verdict.split())


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"
