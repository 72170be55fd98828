"""`botconvo replay`: an earlier conversation again, with the friends' servers of today."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cast import Show, read_show
from orchestrator.drawing import BeforeJudging, Drawing, Drawn
from orchestrator.errors import OrchestratorError
from orchestrator.phrases import PhrasePicker, load_picker
from orchestrator.replay import Draw, Replay, Report, changed_settings, missing_friends
from orchestrator.servers import Servers
from orchestrator.servers.session import server_session
from orchestrator.settings import Settings
from orchestrator.show import member_of, sampling_of
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.turn import Turn
from orchestrator.talk.turn_taking import Member
from orchestrator.transcript import Transcript
from orchestrator.transcript.file import MAIN, transcript_path
from orchestrator.transcript.records import Run

SHOWN_DIFFERENCES = 40


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What the command line says. Without `words`, no model is asked."""

    settings: Path | None = None
    conversation: int | None = None
    words: bool = True
    as_json: bool = False
    of: str = MAIN


def replay(options: ReplayOptions) -> tuple[str, bool]:
    """The report as text, and whether all was as before. Raises OrchestratorError."""
    show = read_show(options.settings, also_learning=True)
    file = transcript_path(show.home, options.of)
    with Transcript.read(file) as transcript:
        runs = transcript.runs(options.conversation)
        if not runs:
            raise OrchestratorError(
                f"{file} has no conversation {options.conversation or ''}".rstrip()
                + " that was kept with its seed; start one with: botconvo run"
            )
        report, remarks = asyncio.run(_replayed(show, transcript, runs, options))
    if options.as_json:
        data = {
            "turns": report.turns, "lines": report.lines, "remarks": remarks,
            "differences": report.differences,
        }  # fmt: skip
        return json.dumps(data, ensure_ascii=False, indent=2), not report.differences
    return "\n".join(_text(report, remarks)), not report.differences


async def _replayed(
    show: Show, transcript: Transcript, runs: list[Run], options: ReplayOptions
) -> tuple[Report, list[str]]:
    names = [name for friend in show.friends for name in (friend.name, *friend.aliases)]
    settings = show.settings
    picker = await asyncio.to_thread(
        load_picker, settings.phrases.pipeline, settings.language, names
    )
    members = {friend.name: member_of(friend, friend.manifest) for friend in show.friends}
    async with _servers(show, options.words) as servers:
        total = Report()
        remarks: list[str] = []
        for run in runs:
            remarks += changed_settings(run.settings, settings)
            report = await _one_run(transcript, run, members, picker, servers)
            total.turns += report.turns
            total.lines += report.lines
            total.differences += report.differences
    rows = [row for row in transcript.lines(conversation=runs[0].conversation)]
    remarks += [
        f"{name} spoke then and is not there now" for name in missing_friends(rows, members)
    ]
    return total, list(dict.fromkeys(remarks))


async def _one_run(
    transcript: Transcript,
    run: Run,
    members: Mapping[str, Member],
    picker: PhrasePicker,
    servers: Servers | None,
) -> Report:
    draw: Draw | None = None
    if servers is not None:

        async def draw(
            talk: Conversation, settings: Settings, turn: Turn, before_judging: BeforeJudging
        ) -> Drawn:
            sampling = sampling_of(settings.generation)
            return await Drawing(talk, servers, sampling, before_judging).draw(turn)

    return await Replay(transcript, run, members, picker, draw).run()


@asynccontextmanager
async def _servers(show: Show, wanted: bool) -> AsyncIterator[Servers | None]:
    if not wanted:
        yield None
        return
    async with (
        server_session(show) as session,
        Servers(show, session, random.Random(), waits_for_all=True) as servers,
    ):
        yield servers


def _text(report: Report, remarks: list[str]) -> Iterator[str]:
    yield from remarks
    yield from report.differences[:SHOWN_DIFFERENCES]
    more = len(report.differences) - SHOWN_DIFFERENCES
    if more > 0:
        yield f"and {more} more"
    differ = len({text.partition(":")[0] for text in report.differences})
    what = f"{report.turns} turns" + (
        f" and the words of {report.lines} lines" if report.lines else ""
    )
    yield f"{what} compared: " + (f"{differ} differ." if differ else "all as before.")
