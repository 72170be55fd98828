"""Stages on a chat platform: each is looked at; if there is none and it is asked for, the steps to
one are told. What looks at them comes from outside, so that no library is loaded in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from orchestrator.checks import Finding, Patient
from orchestrator.sections import TokenStage
from orchestrator.settings import Show

StageKind = TypeVar("StageKind", bound=TokenStage)
Findings = Coroutine[Any, Any, list[Finding]]


def chat_stages(
    patient: Patient,
    kind: type[StageKind],
    inspected: Callable[[Show, Sequence[StageKind]], Findings],
    steps: Sequence[str],
) -> Iterator[Finding]:
    """What `inspected` finds on the show's stages of this kind, or the steps to one."""
    if patient.show is None:
        return
    platform = kind.model_fields["platform"].default
    stages = [stage for stage in patient.show.settings.stages if isinstance(stage, kind)]
    if stages:
        yield from asyncio.run(inspected(patient.show, stages))
    elif patient.platform == platform:
        yield Finding("problem", platform, "the settings have no stage there yet",
                      "take these steps")  # fmt: skip
        for number, text in enumerate(steps, start=1):
            yield Finding("step", f"step {number}", text)
