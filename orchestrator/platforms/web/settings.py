"""Settings of the web page as a stage."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from orchestrator.sections import TokenStage


class WebStage(TokenStage):
    """A page in the browser. Elsewhere than on this machine it asks for the token."""

    platform: Literal["web"] = Field("web", description="where the show is to be seen")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int | None = Field(
        None, ge=0, le=65535, description="default: 8080, or the next one that is free"
    )
    address: str = Field(
        "", description="at which people find it, where that is another one, as behind a proxy or "
        "in a container: https://friends.example"
    )  # fmt: skip

    @field_validator("address")
    @classmethod
    def _an_address(cls, text: str) -> str:
        url = urlsplit(text)
        if text and (url.scheme not in ("http", "https") or not url.hostname):
            raise ValueError(f"{text!r} is no such thing as 'https://friends.example'")
        return text
