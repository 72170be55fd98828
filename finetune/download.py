"""OpenAI's GPT-2 in gpt-2-simple's form, from the places where it is published.

Every file is written as `NAME.part`, resumed with a Range request, checked against the
size that the server announces, and only then given its name.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from finetune.errors import BadBaseModel, FinetuneError

LOCATIONS = (
    # gpt-2-simple 0.8.1's own `download_gpt2`
    "https://openaipublic.blob.core.windows.net/gpt-2/models",
    # OpenAI's first place, named in its `download_model.py`
    "https://storage.googleapis.com/gpt-2/models",
)
MODELS = ("124M", "355M", "774M", "1558M")
FILES = (
    "checkpoint",
    "encoder.json",
    "hparams.json",
    "model.ckpt.data-00000-of-00001",
    "model.ckpt.index",
    "model.ckpt.meta",
    "vocab.bpe",
)
BLOCK_BYTES = 1 << 20
STALL_SECONDS = 20.0
TRIES = 3

Report = Callable[[str, int, int], None]
"""Told the file's name, the bytes that are there, and the bytes in all."""


def download(
    name: str,
    models: Path,
    report: Report,
    locations: Sequence[str] = LOCATIONS,
    stall_seconds: float = STALL_SECONDS,
) -> Path:
    """Downloads a model into `models/NAME` and returns that folder; a second call goes on
    where the first broke off.

    Raises FinetuneError if no location gives it whole, with the last reason.
    """
    if name not in MODELS:
        raise BadBaseModel(f"There is no GPT-2 called {name!r}; there are {', '.join(MODELS)}.")
    folder = models / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        if not (folder / file).exists():
            _fetch_somewhere(name, file, folder / file, report, locations, stall_seconds)
    try:
        json.loads((folder / "hparams.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadBaseModel(
            f"{folder / 'hparams.json'} is no JSON; a proxy may have answered in its place. "
            "Delete the folder and try again."
        ) from error
    return folder


def _fetch_somewhere(
    name: str,
    file: str,
    path: Path,
    report: Report,
    locations: Sequence[str],
    stall_seconds: float,
) -> None:
    reason = "no location is known"
    for location in locations:
        for _ in range(TRIES):
            try:
                _fetch(f"{location}/{name}/{file}", path, report, stall_seconds)
                return
            except urllib.error.HTTPError as error:
                reason = f"{location} answers {error.code}"
                if error.code < 500:
                    break
            except (OSError, http.client.HTTPException) as error:
                reason = f"{location}: {getattr(error, 'reason', None) or error}"
                if isinstance(error, urllib.error.URLError):
                    break
    raise FinetuneError(
        f"{name} cannot be downloaded ({file}: {reason}); is there a network? The same command "
        "goes on where it broke off, and --base demo needs no download."
    )


def _fetch(url: str, path: Path, report: Report, stall_seconds: float) -> None:
    """Fetches one file. Raises OSError if it breaks off before the announced size."""
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=stall_seconds)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is as long as the file, or longer
            part.unlink()
            raise OSError("the part on disk does not fit; starting over") from error
        raise
    with response:
        resumed = response.status == 206
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else -1
        with part.open("ab" if resumed else "wb") as file:
            while block := response.read1(BLOCK_BYTES):
                file.write(block)
                have += len(block)
                report(path.name, have, total)
    if total >= 0 and have != total:
        raise OSError(f"broke off after {have} of {total} bytes")
    part.replace(path)
