"""What a run shows to the world beside its weights: manifest, GGUF, digests of lines and words.

Written at every save, so that a friend can be talked with while still in training, and once
more at the end. Each file is written whole under another name first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from finetune.convert import GgufType, write_gguf
from finetune.dataset import EVERYBODY
from finetune.stats import writing_statistics
from finetune.training.beginning import Beginning
from finetune.training.graph import Graph
from finetune.training.material import Material
from finetune.training.run_folder import Progress
from model_server.checkpoint_format import (
    LINES_FILE,
    START_OF_TEXT,
    WORDS_FILE,
    BaseModelRecord,
    Manifest,
    Sizes,
    TrainingRecord,
    write_line_digests,
    write_word_digests,
)


@dataclass(slots=True)
class Publication:
    """Keeps a folder's manifest and GGUF up to date with its run."""

    folder: Path
    graph: Graph
    sizes: Sizes
    material: Material
    beginning: Beginning
    tokens_per_step: int
    _first: Manifest | None = field(init=False, default=None)
    _has_digests: bool = field(init=False, default=False)

    def publish(self, progress: Progress) -> None:
        """The weights that the graph holds now, as those of a run that goes on."""
        self._write(progress, progress.step, in_training=True)

    def finish(self, progress: Progress) -> Manifest:
        """The weights that are kept, which the graph must hold; returns what is written."""
        return self._write(progress, progress.best_step or progress.step, in_training=False)

    def _write(self, progress: Progress, step: int, *, in_training: bool) -> Manifest:
        self._write_digests()
        kind: GgufType = "q8_0" if self.sizes.n_embd % 32 == 0 else "f16"
        record = write_gguf(self.graph.weights(), self.folder, step, kind)
        first = self._first or self._manifest()
        self._first = first
        tokens = progress.step * self.tokens_per_step
        manifest = first.model_copy(
            update={
                "gguf": record,
                "step": step,
                "in_training": in_training,
                "trained_on": first.trained_on.model_copy(update={"tokens": tokens}),
                "bits_per_byte": _held_out(progress, step),
            }
        )
        manifest.write(self.folder)
        return manifest

    def _write_digests(self) -> None:
        """Of everybody's lines: the model sees those of others, too, as what is answered."""
        files = (self.folder / LINES_FILE, self.folder / WORDS_FILE)
        if self._has_digests and all(file.exists() for file in files):
            return
        lines = self.material.training_lines()
        write_line_digests(lines, self.folder)
        write_word_digests(lines, self.folder)
        self._has_digests = True

    def _manifest(self) -> Manifest:
        material = self.material
        friend, lines = material.friend, material.lines
        dialogue = material.style == "dialogue"
        return Manifest(
            friend=friend or EVERYBODY,
            speaker=friend,
            known_speakers=list(material.people),
            style=material.style,
            prompt_prefix="" if dialogue else START_OF_TEXT,
            stop="\n" if dialogue else "",
            end_of_text="token",
            window=self.sizes.n_ctx,
            base=BaseModelRecord(name=self.beginning.name, hash=self.beginning.hash()),
            trained_on=TrainingRecord(
                messages=len(lines),
                chats=len({line.chat for line in lines}),
                since=min(line.sent_at for line in lines).isoformat(),
                until=max(line.sent_at for line in lines).isoformat(),
                cut_date=material.parts.validation_from.isoformat(),
                test_from=material.parts.test_from.isoformat(),
                selection=material.selection,
            ),
            statistics=writing_statistics(material.parts.training, friend) if friend else {},
        )


def _held_out(progress: Progress, step: int) -> dict[str, float]:
    """Of the weights of this step, or else the last before them."""
    values = [value for validated, value in progress.validations if validated <= step]
    return {"held_out": round(values[-1], 4)} if values else {}
