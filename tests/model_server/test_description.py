"""`/openapi.json` is true to the code: schemathesis asks what it describes, and more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model_server.app import create_app
from model_server.candidates import Policy
from model_server.checkpoint_format import Codec, Manifest
from model_server.engines import Parameters
from model_server.engines.echo import EchoEngine
from model_server.service import Served
from tests.conftest import HANGS_AFTER_SECONDS
from tests.model_server.running import running

SCHEMATHESIS = (
    "import sys; from schemathesis.cli import schemathesis; sys.argv[0] = 'st'; schemathesis()"
)
EXAMPLES = 12
"""Per operation, beyond those that cover its description, which are the same each time."""
KEY = "a-key-of-twenty-letters"


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "keyed"])
def test_schemathesis_finds_nothing(checkpoints: Path, tmp_path: Path, key: str | None) -> None:
    """All of its checks: no server error, documented statuses, types and shapes, wrong data
    refused and right data taken, unknown methods refused with `Allow`, the key looked at."""
    arguments: list[object] = [checkpoints / "marlow", "--engine", "echo"]
    headers = []
    if key is not None:
        (tmp_path / "key").write_text(key, encoding="utf-8")
        (tmp_path / "key").chmod(0o600)
        arguments += ["--key-file", tmp_path / "key"]
        headers = ["--header", f"Authorization: Bearer {key}"]
    with running(tmp_path / "log", *arguments) as server:
        done = subprocess.run(
            [
                sys.executable, "-c", SCHEMATHESIS, "run", f"{server.url}/openapi.json",
                "--max-examples", str(EXAMPLES), "--generation-deterministic", "--no-color",
                "--continue-on-failure", *headers,
            ],
            text=True, capture_output=True, timeout=HANGS_AFTER_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout
    events = {line["event"] for line in server.logged()}
    assert {event.partition(":")[0] for event in events} <= {
        "ready", "request", "no HTTP request", "the client went away",
    }  # fmt: skip


def described(models: Path, key: str | None = None) -> tuple[set[tuple[str, str]], dict[str, Any]]:
    """The routes of an application, and its description."""
    from model_server.app import DESCRIPTION

    codec = Codec.read(models / "tiny")
    served = Served("Juno", codec, Manifest(), Parameters(), Policy())
    app = create_app(served, lambda: EchoEngine(codec, 64, 1), key=key)
    routes = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource
    }
    return routes, app[DESCRIPTION]


def test_the_description_names_every_route_and_no_other(models: Path) -> None:
    routes, document = described(models)
    named = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert named == routes


def test_every_reference_leads_somewhere(models: Path) -> None:
    _, document = described(models)
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])


def test_the_key_is_described_where_there_is_one(models: Path) -> None:
    _, without = described(models)
    assert "securitySchemes" not in without["components"]
    _, keyed = described(models, key="secret")
    for path, methods in keyed["paths"].items():
        for operation in methods.values():
            assert ("401" in operation["responses"]) == (path != "/health")
    assert "secret" not in json.dumps(keyed)
