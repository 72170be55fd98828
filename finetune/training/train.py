"""Fine-tuning one friend, or everybody at once, from a base model or another checkpoint.

Decides what is learnt and how long; the loop, the graph and the text are other modules.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.bases.base_models import TOKENIZER_FILES
from finetune.dataset import EVERYBODY, CleanCorpus
from finetune.training.beginning import Beginning
from finetune.training.disk import require_room
from finetune.training.estimate import TOKENS_PER_STEP, seconds_of
from finetune.training.examples import pack
from finetune.training.graph import Graph
from finetune.training.loop import Audience, Plan, Run
from finetune.training.loss_picture import PICTURE_FILE, draw_losses
from finetune.training.material import Material, Prompt
from finetune.training.publication import Publication
from finetune.training.run_folder import Progress, locked, read_losses, run_to_go_on
from finetune.training.tensorboard_log import EventLog, Logged
from model_server.checkpoint_format import Codec, Manifest, Sizes, Style

LOGITS_BYTES = 256e6
"""Of one forward pass at most; several copies of them are held at once."""
RATE_OF_124M = 1e-4
"""gpt-2-simple's rate for 124 million weights; smaller models take larger steps, with the
square root of their size."""
DEFAULT_EPOCHS = 6.0
VALIDATIONS_PER_EPOCH = 2
PATIENCE = 3
"""Training ends after so many validations without a new best."""
AFTER_POOL_SHARE = 0.25
"""Of the passes, those that a friend still gets after a pooled model took all of them."""
ANEW = (
    "give --restart to begin anew here (the old weights stay until the first save), or another "
    "folder with --out"
)
SAMPLE_TOKENS = 40
SAMPLE_TEMPERATURE, SAMPLE_TOP_K = 0.7, 40


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What the user may choose. Of `steps` and `epochs` the first given counts; `minutes`
    ends a run whatever the others say. `early_stop` ends it when held-out messages are no longer
    told better and takes the weights that told them best; without it training goes on to the
    end, towards more voice and more quoting. `pooled`: everybody's words were learnt before."""

    style: Style = "dialogue"
    epochs: float = DEFAULT_EPOCHS
    steps: int | None = None
    minutes: float | None = None
    rate: float | None = None
    keep: int = 5
    early_stop: bool = True
    seed: int = 0
    threads: int = 0
    save_every_seconds: float = 600.0
    save_memory: bool = False
    restart: bool = False
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left in its folder; no manifest if it was stopped before its end."""

    folder: Path
    progress: Progress
    manifest: Manifest | None


def train_friend(
    corpus: CleanCorpus,
    name: str,
    beginning: Beginning,
    folder: Path,
    settings: TrainingSettings,
    audience: Audience,
) -> Outcome:
    """Fine-tunes on one friend; `EVERYBODY` learns all speakers' words at once.

    A second call goes on where the first was stopped. Raises NoSuchFriend, TooLittleText,
    FinetuneError (no room, another run's folder, a folder in use), TrainingBroke.
    """
    codec, sizes = Codec.read(beginning.folder), Sizes.read(beginning.folder)
    material = Material.of(corpus, name, codec, settings.style, pooled=settings.pooled)
    plan, rows = _plan(settings, sizes, material)
    require_room(folder, sizes, settings.keep)
    with locked(folder):
        identity = _identity(material, beginning, settings)
        before = None if settings.restart else run_to_go_on(folder, identity, ANEW)
        finished = _finished_already(folder, before, plan)
        if finished is not None:
            return finished
        about = _about(material, plan, sizes, rows, settings.threads)
        audience.began(before or Progress(), plan, about)
        graph = Graph(
            sizes, window=sizes.n_ctx, rows=rows, seed=settings.seed, threads=settings.threads,
            save_memory=settings.save_memory,
        )  # fmt: skip
        try:
            if before is None:
                beginning.load(graph)
            trainer = _Trainer(graph, sizes, codec, material, beginning, folder, plan, rows)
            return trainer.train(settings, identity, before, audience)
        finally:
            graph.close()


@dataclass(frozen=True, slots=True)
class _Trainer:
    """Everything that one run needs, joined."""

    graph: Graph
    sizes: Sizes
    codec: Codec
    material: Material
    beginning: Beginning
    folder: Path
    plan: Plan
    rows: int

    def train(
        self,
        settings: TrainingSettings,
        identity: dict[str, Any],
        before: Progress | None,
        audience: Audience,
    ) -> Outcome:
        window, material = self.sizes.n_ctx, self.material
        publication = Publication(
            self.folder, self.graph, self.sizes, material, self.beginning,
            self.rows * window * self.plan.micro_batches,
        )  # fmt: skip
        run = Run(
            self.folder, self.graph, self.plan,
            lambda used: material.training.batches(self.rows, window, settings.seed, used),
            validate=self._bits_per_byte,
            speak=self._speaker(settings.seed),
            prepare=lambda: _copy_tokenizer(self.beginning.folder, self.folder),
            publish=publication.publish,
            settings=identity,
            restart=settings.restart,
        )  # fmt: skip
        with EventLog(self.folder, before.step if before else 0) as log:
            progress = run.train(Logged(audience, log))
        if not progress.finished:
            return Outcome(self.folder, progress, None)
        with run.saving(progress):
            if progress.best_step is not None:
                self.graph.restore_weights(self.folder / f"model-{progress.best_step}")
                self.graph.save_weights(self.folder / "model", progress.best_step)
            title = f"{material.friend or EVERYBODY}, from {self.beginning.name}"
            picture = self.folder / PICTURE_FILE
            draw_losses(title, read_losses(self.folder), progress, picture)
            return Outcome(self.folder, progress, publication.finish(progress))

    def _bits_per_byte(self) -> float:
        validation, window = self.material.validation, self.sizes.n_ctx
        pieces = validation.pieces(window, None)
        batches = pack(pieces, self.rows, window, validation.end_of_text)
        nats = sum(float(self.graph.losses(*batch).sum()) for batch in batches)
        return nats / math.log(2) / max(1, self.material.scored_bytes)

    def _speaker(self, seed: int) -> Callable[[], str]:
        length = min(SAMPLE_TOKENS, self.sizes.n_ctx // 2)
        prompt = self.material.prompt(self.codec, self.sizes.n_ctx - length)

        def speak() -> str:
            ids = self.graph.sample(
                prompt.ids, length, temperature=SAMPLE_TEMPERATURE, top_k=SAMPLE_TOP_K, seed=seed,
                stop_id=prompt.stop,
            )  # fmt: skip
            return _sample_text(prompt, self.codec, ids)

        return speak


def _sample_text(prompt: Prompt, codec: Codec, ids: list[int]) -> str:
    said = codec.decode(token for token in ids if token != codec.end_of_text)
    answer = f"{prompt.speaker}: {said.strip().splitlines()[0] if said.strip() else '(nothing)'}"
    return f"{prompt.asked} | {answer}" if prompt.asked else answer


def _copy_tokenizer(source: Path, folder: Path) -> None:
    for name in TOKENIZER_FILES:
        part = folder / f"{name}.part"
        shutil.copyfile(source / name, part)
        part.replace(folder / name)


# --- whose run is in the folder ----------------------------------------------------------------


def _identity(
    material: Material, beginning: Beginning, settings: TrainingSettings
) -> dict[str, Any]:
    """What makes two runs the same one. How long and how fast it learns may change on the way."""
    identity = {
        "friend": material.friend or EVERYBODY,
        "base": beginning.name,
        "weights of the base": beginning.hash(),
        "style": settings.style,
        "seed": settings.seed,
        "selection of messages": material.selection,
        "text": material.digest(),
    }
    # As it comes back from the file: JSON knows no tuples.
    same: dict[str, Any] = json.loads(json.dumps(identity))
    return same


def _finished_already(folder: Path, before: Progress | None, plan: Plan) -> Outcome | None:
    if before is None or not plan.is_over(before):
        return None
    manifest = Manifest.read(folder)
    whole = manifest.gguf is not None and not manifest.in_training
    return Outcome(folder, before, manifest) if before.finished and whole else None


# --- the plan ----------------------------------------------------------------------------------


def _plan(settings: TrainingSettings, sizes: Sizes, material: Material) -> tuple[Plan, int]:
    """How long and how fast to learn, and the windows of one forward pass."""
    training, window = material.training, sizes.n_ctx
    at_once = min(TOKENS_PER_STEP, LOGITS_BYTES / 4 / sizes.n_vocab)
    rows = max(1, min(16, int(at_once) // window))
    micro_batches = max(1, TOKENS_PER_STEP // (rows * window))
    # Without anything to validate on, the last weights are all there is to keep.
    validates = material.scored_bytes > 0
    keep_best = settings.early_stop and validates
    per_pass = training.batches_per_pass(rows, window) / micro_batches
    steps = settings.steps or max(1, round(settings.epochs * per_pass))
    plan = Plan(
        steps=steps,
        rate=settings.rate or RATE_OF_124M * math.sqrt(124e6 / sizes.parameters),
        warmup_steps=min(50, max(1, steps // 10)),
        decay_share=0.9,
        micro_batches=micro_batches,
        save_every_seconds=settings.save_every_seconds,
        validate_every_steps=max(1, round(per_pass / VALIDATIONS_PER_EPOCH)) if validates else 0,
        keep=settings.keep,
        keep_best=keep_best,
        patience=PATIENCE if keep_best else 0,
        deadline_seconds=(settings.minutes or math.inf) * 60,
    )
    return plan, rows


def _about(material: Material, plan: Plan, sizes: Sizes, rows: int, threads: int) -> str:
    """What the user is told before the first step."""
    window = sizes.n_ctx
    passes = plan.steps * plan.micro_batches / material.training.batches_per_pass(rows, window)
    tokens = plan.steps * plan.micro_batches * rows * window
    seconds = min(seconds_of(tokens, sizes, threads), plan.deadline_seconds)
    cut = material.training.longer_than(window)
    said = (
        f"{len(material.lines)} messages, {passes:.1f} passes in {plan.steps} steps, at most about "
        f"{max(1, round(seconds / 60))} min by what this processor can do"
    )
    return said + (f"; of {cut} very long messages only the beginning is learnt" if cut else "")
