"""Takes a person out of a transcript: their lines, and what other places quote of them.

Knows nothing of the people that the rest of BotConvo keeps; see forget.py.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import OrchestratorError, TranscriptFull
from orchestrator.transcript.file import (
    REBUILD_WORD_INDEX,
    changing,
    connect,
    copies_of,
    index_words,
)

TOO_NEAR_TO = "too near to "
"""How a verdict begins that goes on with the line that was said before."""
SOMEBODY = "somebody"
SHORTEST_QUOTE = 3
"""Letters. Shorter lines ("ok") quote nobody, and would be found in everything."""


@dataclass(frozen=True, slots=True)
class _Gone:
    """Whom and what to take out: names casefolded, ids of lines, and their texts."""

    names: frozenset[str]
    ids: frozenset[int]
    texts: tuple[str, ...]

    @property
    def name_pattern(self) -> re.Pattern[str]:
        names = "|".join(map(re.escape, sorted(self.names, key=len, reverse=True)))
        return re.compile(rf"(?<!\w)(?:{names})(?!\w)", re.IGNORECASE)

    def is_one(self, name: object) -> bool:
        return isinstance(name, str) and name.casefold() in self.names

    def is_quoted_in(self, text: object) -> bool:
        """Whether a text of the show's own names them or holds one of their lines."""
        if not isinstance(text, str):
            return False
        plain = _plain(text)
        return bool(self.name_pattern.search(text)) or any(said in plain for said in self.texts)

    def said(self, phrase: object) -> bool:
        """Whether one of their lines holds the phrase."""
        return isinstance(phrase, str) and any(_plain(phrase) in text for text in self.texts)


def forget_speakers(path: Path, names: Collection[str]) -> int:
    """Takes all lines of these speakers, friends or people, out of all conversations of a
    transcript, for good, and what other places quote of them; copies of older transcripts that lie
    beside it go whole. A show may be running meanwhile. Returns how many lines; 0 if there is no
    transcript. Raises OrchestratorError."""
    if not path.is_file():
        return 0
    with closing(connect(path)) as database:
        has_index = index_words(database, path)
        try:
            return _remove_traces(database, path, names, has_index)
        except TranscriptFull:
            raise
        except (OSError, sqlite3.OperationalError, OrchestratorError) as error:
            why = error.__cause__ or error  # of a locked file, as SQLite says it
            raise OrchestratorError(
                f"{path} cannot be changed ({why}); end the show if one is running, or mend the "
                "file's permissions, then forget again."
            ) from error


def _remove_traces(
    database: sqlite3.Connection, path: Path, names: Collection[str], has_index: bool
) -> int:
    """Returns how many lines are gone. Raises OrchestratorError, sqlite3.OperationalError or
    OSError; nothing is half done then but the tidying up after it."""
    wanted = frozenset(name.casefold() for name in names)
    database.execute("PRAGMA secure_delete = ON")
    with changing(database, path):  # a running show waits, and adds nothing meanwhile
        ids = frozenset(
            id_
            for id_, speaker in database.execute("SELECT id, speaker FROM lines")
            if speaker.casefold() in wanted
        )
        gone = _Gone(wanted, ids, _texts(database, ids))
        _remove_lines(database, ids)
        _remove_reactions(database, gone)
        if wanted:
            _scrub_reasons(database, gone)
            _scrub_settings(database, gone)
        if has_index:
            database.execute("INSERT INTO words (words) VALUES ('delete-all')")
            database.execute(REBUILD_WORD_INDEX)
    database.execute("VACUUM")
    _empty_log(database)
    if ids:
        for copy in copies_of(path):
            copy.unlink()
    return len(ids)


def _texts(database: sqlite3.Connection, ids: Collection[int]) -> tuple[str, ...]:
    rows = database.execute(
        "SELECT id, text FROM lines UNION ALL SELECT line, old_text FROM edits"
    ).fetchall()
    plain = {_plain(text) for id_, text in rows if id_ in ids}
    return tuple(text for text in plain if len(text) >= SHORTEST_QUOTE)


def _remove_lines(database: sqlite3.Connection, ids: Collection[int]) -> None:
    each = [(id_,) for id_ in ids]
    for table in ("posts", "reactions", "edits"):
        database.executemany(f"DELETE FROM {table} WHERE line = ?", each)
    database.executemany("UPDATE lines SET reply_to = NULL WHERE reply_to = ?", each)
    database.executemany("DELETE FROM lines WHERE id = ?", each)


def _remove_reactions(database: sqlite3.Connection, gone: _Gone) -> None:
    authors = database.execute("SELECT DISTINCT author FROM reactions").fetchall()
    theirs = [(author,) for (author,) in authors if gone.is_one(author)]
    database.executemany("DELETE FROM reactions WHERE author = ?", theirs)


def _scrub_reasons(database: sqlite3.Connection, gone: _Gone) -> None:
    for table, column in (("lines", "why"), ("edits", "old_why")):
        rows = database.execute(f"SELECT {column}, id FROM {table}").fetchall()
        scrubbed = [(_scrubbed(why, gone), id_) for why, id_ in rows]
        database.executemany(f"UPDATE {table} SET {column} = ? WHERE id = ?", scrubbed)
    notices = database.execute("SELECT text, id FROM lines WHERE kind = 'notice'").fetchall()
    _remove_lines(database, [id_ for text, id_ in notices if gone.is_quoted_in(text)])


def _scrubbed(why: str, gone: _Gone) -> str:
    """The reason of a line without what it quotes of lines that are gone: phrases taken up, what
    was too near to a line that had been said, what the show answered with it."""
    reason = json.loads(why)
    turn = reason.get("turn")
    if isinstance(turn, dict):
        _scrub_turn(turn, gone)
    for candidate in (c for attempt in _entries(reason, "attempts") for c in attempt):
        if gone.ids and str(candidate.get("verdict", "")).startswith(TOO_NEAR_TO):
            candidate["verdict"] = f"{TOO_NEAR_TO}a line"
    if "addressed" in reason:
        reason["addressed"] = [n for n in _entries(reason, "addressed") if not gone.is_one(n)]
    for key in ("answer", "reason"):
        if gone.is_quoted_in(reason.get(key)):
            reason[key] = ""
    return json.dumps(reason, ensure_ascii=False)


def _scrub_turn(turn: dict[str, Any], gone: _Gone) -> None:
    took_up = {turn.get("answers"), turn.get("phrase_from")} & gone.ids
    if took_up or gone.said(turn.get("phrase")):
        turn["phrase"] = ""
    if "phrases" in turn:
        turn["phrases"] = [
            p for p in _entries(turn, "phrases") if not took_up and not gone.said(p.get("phrase"))
        ]
    for key in ("answers", "phrase_from"):
        if turn.get(key) in gone.ids:
            turn[key] = None
    if "lines" in turn:
        turn["lines"] = [id_ for id_ in _entries(turn, "lines") if id_ not in gone.ids]
    if isinstance(turn.get("weights"), dict):
        turn["weights"] = {n: w for n, w in turn["weights"].items() if not gone.is_one(n)}
    if isinstance(turn.get("chosen_because"), str):
        turn["chosen_because"] = gone.name_pattern.sub(SOMEBODY, turn["chosen_because"])


def _entries(data: dict[str, Any], key: str) -> list[Any]:
    entries = data.get(key)
    return entries if isinstance(entries, list) else []


def _scrub_settings(database: sqlite3.Connection, gone: _Gone) -> None:
    for table in ("conversations", "runs"):
        rows = database.execute(f"SELECT settings, id FROM {table}").fetchall()
        scrubbed = [
            (json.dumps(_without(json.loads(settings), gone), ensure_ascii=False), id_)
            for settings, id_ in rows
        ]
        database.executemany(f"UPDATE {table} SET settings = ? WHERE id = ?", scrubbed)


def _without(data: Any, gone: _Gone) -> Any:
    """JSON without their names, and without entries of lists and tables that are about them."""
    if isinstance(data, list):
        return [_without(entry, gone) for entry in data if not _is_about(entry, gone)]
    if isinstance(data, dict):
        return {
            key: _without(value, gone)
            for key, value in data.items()
            if not gone.is_one(key) and not _is_about(value, gone)
        }
    return data


def _is_about(entry: Any, gone: _Gone) -> bool:
    if isinstance(entry, dict):
        names = [entry.get("name"), *(entry.get("aliases") or ())]
        return any(gone.is_one(name) for name in names)
    return gone.is_one(entry)


def _empty_log(database: sqlite3.Connection) -> None:
    """Moves everything into the main file: the write-ahead log keeps what was overwritten."""
    if database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise sqlite3.OperationalError("somebody is reading it")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
