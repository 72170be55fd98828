"""How a friend writes, measured on the corpus. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median, quantiles
from typing import Any

from finetune.dataset import Session

BURST_SECONDS = 120
"""Messages of one person closer than this, with nobody between, are one burst."""


def writing_statistics(sessions: Sequence[Session], person: str) -> dict[str, Any]:
    """Line length in characters, pauses in seconds, bursts, who this person follows, and
    messages per hour of the day (in the zone of the export). Empty for somebody silent."""
    lines = [line for session in sessions for line in session if line.person == person]
    if not lines:
        return {}
    lengths = [len(line.text) for line in lines]
    pauses, bursts, follows = _turns(sessions, person)
    hours = Counter(line.sent_at.hour for line in lines)
    return {
        "line_length": {
            "mean": round(fmean(lengths), 1),
            "median": median(lengths),
            "p90": quantiles(lengths, n=10)[-1] if len(lengths) > 1 else lengths[0],
        },
        "pause_seconds": {"median": round(median(pauses), 1)} if pauses else {},
        "burst": {"mean": round(fmean(bursts), 2), "max": max(bursts)},
        "follows": dict(follows.most_common()),
        "active_hours": [hours[hour] for hour in range(24)],
        "utc_offset": str(lines[-1].sent_at.tzinfo),
    }


def _turns(sessions: Sequence[Session], person: str) -> tuple[list[float], list[int], Counter[str]]:
    pauses: list[float] = []
    bursts: list[int] = []
    follows: Counter[str] = Counter()
    for session in sessions:
        for previous, line in pairwise((None, *session)):
            if line is None or line.person != person:
                continue
            if previous is None:
                bursts.append(1)
                continue
            gap = (line.sent_at - previous.sent_at).total_seconds()
            pauses.append(gap)
            if previous.person == person and gap <= BURST_SECONDS:
                bursts[-1] += 1
                continue
            bursts.append(1)
            if previous.person != person:
                follows[previous.person] += 1
    return pauses, bursts, follows
