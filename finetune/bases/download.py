"""OpenAI's GPT-2 in gpt-2-simple's form, from whichever place still gives it.

First the places that have TensorFlow's files, then Hugging Face's copy of the same weights,
which is turned into that form. How one file comes over the network, transfer.py knows.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.bases.openai_models import (
    BYTES_BESIDE_THE_WEIGHTS,
    DATA_FILE,
    DOWNLOADS,
    GPT_2_SIMPLES_PLACE,
    HUGGING_FACE,
    HUGGING_FACE_FILES,
    OPENAIS_FIRST_PLACE,
    TENSORFLOW_FILES,
    OpenAiModel,
)
from finetune.bases.transfer import LEFT_FREE_BYTES, NotHere, Pause, Report, begun_at, fetch
from finetune.errors import BadBaseModel, FinetuneError
from model_server.checkpoint_format import CheckpointError, Sizes

STALL_SECONDS = 20.0
"""Without a byte; a slow line brings some in that time, a dead one none."""
HUGGING_FACE_PART = "hugging-face.part"


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses to try in this order: folders with TensorFlow's files, then Hugging Face."""

    tensorflow: Sequence[str] = (GPT_2_SIMPLES_PLACE, OPENAIS_FIRST_PLACE)
    hugging_face: str | None = HUGGING_FACE


@dataclass(frozen=True, slots=True)
class _Download:
    """One model on its way into one folder."""

    model: OpenAiModel
    folder: Path
    report: Report
    stall_seconds: float
    pause: Pause

    def fetch(self, url: str, file: str, size: int | None, folder: Path) -> None:
        if not (folder / file).exists():
            fetch(
                url, folder / file, self.report,
                size=size, stall_seconds=self.stall_seconds, pause=self.pause,
            )  # fmt: skip


def download(
    name: str,
    models: Path,
    report: Report,
    places: Places = Places(),
    stall_seconds: float = STALL_SECONDS,
    pause: Pause = time.sleep,
) -> Path:
    """Downloads a model into `models/NAME` and returns that folder; a second call goes on
    where the first broke off.

    Raises FinetuneError if no place gives it whole, with what each of them answered.
    """
    model = DOWNLOADS.get(name)
    if model is None:
        raise BadBaseModel(f"There is no GPT-2 called {name!r}; there are {', '.join(DOWNLOADS)}.")
    folder = models / name
    folder.mkdir(parents=True, exist_ok=True)
    going = _Download(model, folder, report, stall_seconds, pause)
    _drop_what_is_not_whole(going)
    _check_room(going)
    answers: list[str] = []
    begun = [begun_at(folder / file) for file in TENSORFLOW_FILES]
    # First where a part came from: bytes of another place might not fit to it.
    for place in sorted(places.tensorflow, key=lambda p: not any(u.startswith(p) for u in begun)):
        if _reached(going, place, answers):
            return folder
    if places.hugging_face and _from_hugging_face(going, places.hugging_face, answers):
        return folder
    raise FinetuneError(
        f"{name} cannot be downloaded ({'; '.join(answers)}). Is there a network? The same command "
        "goes on where it broke off, and --base demo needs no download."
    )


def _drop_what_is_not_whole(going: _Download) -> None:
    """A file of a known size and another length was left by a downloader that does not check."""
    data = going.folder / DATA_FILE
    if data.exists() and data.stat().st_size != going.model.weight_bytes:
        data.unlink()


def _check_room(going: _Download, copies: int = 1) -> None:
    there = sum(path.stat().st_size for path in going.folder.rglob("*") if path.is_file())
    needed = copies * going.model.weight_bytes + BYTES_BESIDE_THE_WEIGHTS - there
    needed += LEFT_FREE_BYTES
    free = shutil.disk_usage(going.folder).free
    if needed > free:
        raise FinetuneError(
            f"{going.model.name} needs {needed / 1e9:.2f} GB more in {going.folder.parent} and "
            f"{free / 1e9:.2f} GB are free; make room, or name a folder on another disk with "
            "--models."
        )


def _reached(going: _Download, place: str, answers: list[str]) -> bool:
    """Whether this place gave all that was missing; if not, its answer is added."""
    for file in TENSORFLOW_FILES:
        size = going.model.weight_bytes if file == DATA_FILE else None
        try:
            going.fetch(f"{place}/{going.model.name}/{file}", file, size, going.folder)
            if file == "hparams.json":
                _check_sizes(going)
        except NotHere as error:
            answers.append(f"{place}: {file}: {error}")
            return False
    return True


def _check_sizes(going: _Download) -> None:
    """Raises NotHere, and drops the file, if it is not this model's: then the place is wrong."""
    try:
        sizes = Sizes.read(going.folder)
    except CheckpointError as error:
        sizes, reason = None, f"it is damaged: {error}"
    else:
        reason = "it is another model's"
    if sizes != going.model.sizes:
        (going.folder / "hparams.json").unlink()
        raise NotHere(reason)


def _from_hugging_face(going: _Download, place: str, answers: list[str]) -> bool:
    part = going.folder / HUGGING_FACE_PART
    part.mkdir(exist_ok=True)
    _check_room(going, copies=2)  # as it comes, and as it is to be
    for file in HUGGING_FACE_FILES:
        try:
            url = f"{place}/{going.model.repository}/resolve/main/{file}"
            going.fetch(url, file, None, part)
        except NotHere as error:
            answers.append(f"{place}: {file}: {error}")
            return False
    from finetune.bases.hugging_face import convert_folder

    for file in TENSORFLOW_FILES:
        # Of the other places: bytes of theirs and of ours do not belong together.
        for kind in ("", ".part", ".part.json"):
            (going.folder / (file + kind)).unlink(missing_ok=True)
    sizes, _ = convert_folder(part, going.folder)
    if sizes != going.model.sizes:
        raise BadBaseModel(f"{place} has another model as {going.model.repository} than OpenAI's.")
    shutil.rmtree(part)
    return True
