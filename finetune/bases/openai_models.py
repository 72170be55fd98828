"""Where OpenAI's GPT-2 is published, and what is known of its files beforehand.

Sizes of the weights follow from the sizes of the models: float32, one number after the
other. No hashes are published with them; what a server announces is checked instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from model_server.checkpoint_format import Sizes

GPT_2_SIMPLES_PLACE = "https://openaipublic.blob.core.windows.net/gpt-2/models"
"""As in `download_gpt2` of gpt-2-simple 0.8.1."""
OPENAIS_FIRST_PLACE = "https://storage.googleapis.com/gpt-2/models"
"""As in the first `download_model.py` of https://github.com/openai/gpt-2."""
HUGGING_FACE = "https://huggingface.co"

DATA_FILE = "model.ckpt.data-00000-of-00001"
TENSORFLOW_FILES = (
    # Small ones first: what is wrong with a place shows before the gigabytes.
    "hparams.json", "checkpoint", "encoder.json", "vocab.bpe", "model.ckpt.index",
    "model.ckpt.meta", DATA_FILE,
)  # fmt: skip
HUGGING_FACE_FILES = ("config.json", "vocab.json", "merges.txt", "model.safetensors")
BYTES_BESIDE_THE_WEIGHTS = 8_000_000
"""At most, of tokenizer, index and graph together."""

VOCABULARY, WINDOW = 50257, 1024


@dataclass(frozen=True, slots=True)
class OpenAiModel:
    """One of OpenAI's models: its name there, its sizes, and its name at Hugging Face."""

    name: str
    sizes: Sizes
    repository: str

    @property
    def weight_bytes(self) -> int:
        return 4 * self.sizes.parameters


DOWNLOADS = {
    name: OpenAiModel(name, Sizes(VOCABULARY, WINDOW, width, heads, layers), repository)
    for name, width, heads, layers, repository in (
        ("124M", 768, 12, 12, "openai-community/gpt2"),
        ("355M", 1024, 16, 24, "openai-community/gpt2-medium"),
        ("774M", 1280, 20, 36, "openai-community/gpt2-large"),
        ("1558M", 1600, 25, 48, "openai-community/gpt2-xl"),
    )
}
