"""Settings of the web page as a stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestrator.sections import TokenStage


class WebStage(TokenStage):
    """A page in the browser. Elsewhere than on this machine it asks for the token."""

    platform: Literal["web"] = Field("web", description="where the show is to be seen")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int | None = Field(
        None, ge=0, le=65535, description="default: 8080, or the next one that is free"
    )
