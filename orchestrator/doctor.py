"""`botconvo doctor`: looks at everything that a show needs, and says how to mend what is amiss.

Changes nothing of the show. A new check is a function in checks/ and a place in CHECKS, or in a
tuple of its own for `examined`."""

from __future__ import annotations

import contextlib
import logging
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from orchestrator.cast import read_show
from orchestrator.checks import Check, Finding, Patient
from orchestrator.checks.discord import discord
from orchestrator.checks.files import corpus, secrets, settings, transcript
from orchestrator.checks.friends import checkpoints, phrases, remote_servers, speaking
from orchestrator.checks.machine import disk, engine, memory, ports, versions
from orchestrator.checks.telegram import telegram
from orchestrator.errors import OrchestratorError
from orchestrator.settings import find_settings

log = logging.getLogger(__name__)

PLATFORM_CHECKS: Mapping[str, Check] = {"discord": discord, "telegram": telegram}
"""What `botconvo doctor PLATFORM` looks at besides the settings. Without PLATFORM each looks at
the stages that the settings name, and says nothing if there are none."""
CHECKS: tuple[Check, ...] = (
    versions, settings, secrets, engine, checkpoints, remote_servers, memory, ports, disk, phrases,
    transcript, corpus, *PLATFORM_CHECKS.values(), speaking,
)  # fmt: skip


def checks_of(platform: str) -> tuple[Check, ...]:
    """The checks that concern a platform; all of them for ""."""
    return (settings, secrets, PLATFORM_CHECKS[platform]) if platform else CHECKS


def examined(
    settings: Path | None,
    *,
    is_deep: bool,
    checks: Sequence[Check] = CHECKS,
    platform: str = "",
    is_posting: bool = False,
) -> Iterator[Finding]:
    """Findings of all checks, as they come. Raises SettingsError if the named file is not there."""
    path = find_settings(settings)
    known = _patient(path, is_deep)
    patient = replace(known, platform=platform, is_posting=is_posting)
    for check in checks:
        try:
            yield from check(patient)
        except Exception as error:  # the outermost loop: one check must not keep others from us
            log.exception("%s", check.__name__)
            yield Finding(
                "problem", check.__name__, f"this check itself failed ({error!r})",
                "install BotConvo again; if that does not help, report what stands above",
            )  # fmt: skip


def _patient(path: Path | None, is_deep: bool) -> Patient:
    home = path.parent if path else Path()
    written: dict[str, Any] = {}
    if path is not None:
        with contextlib.suppress(OSError, ValueError):  # read_show says it better
            written = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    try:
        show = read_show(path)
    except OrchestratorError as error:
        return Patient(path, home, None, str(error), written, is_deep)
    return Patient(path, home, show, "", written, is_deep)


def line_of(finding: Finding) -> str:
    """The finding as one line, with its remedy; a step may have several."""
    if finding.kind == "step":
        return f"{finding.subject}: {finding.text}"
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    return f"{finding.kind}: {finding.subject}: {finding.text}{remedy}."


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as JSON has them."""
    return {"findings": [asdict(finding) for finding in findings]}


def summary(findings: Sequence[Finding]) -> str:
    """How many are amiss, in one sentence."""
    problems = sum(finding.kind == "problem" for finding in findings)
    warnings = sum(finding.kind == "warning" for finding in findings)
    if not problems and not warnings:
        return "Everything is in order."
    return f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}.".capitalize()


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
