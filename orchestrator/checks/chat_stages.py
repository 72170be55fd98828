"""Stages on a chat platform: each is looked at; if there is none and it is asked for, the steps to
one are told. What looks at them comes from outside, so that no library is loaded in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from pydantic import SecretStr

from orchestrator.cast import Show
from orchestrator.checks import Finding, Patient
from orchestrator.errors import SettingsError
from orchestrator.sections import TokenSource, TokenStage
from orchestrator.tokens import Tokens

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


class NotWell(Exception):
    """Something without which nothing else can be looked at."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.text, self.remedy = text, remedy


def token_of(tokens: Tokens, source: TokenSource, what: str) -> SecretStr:
    """The token of `what`. Raises NotWell if there is none."""
    try:
        token = tokens.read(source.token_env, source.token_file, what)
    except SettingsError as error:
        raise NotWell(str(error).rstrip("."), "") from error
    if token is None:
        raise NotWell(
            f"the settings do not say where the token of {what} is",
            'write it into a file that only you may read, and name that: token_file = "..."',
        )
    return token
