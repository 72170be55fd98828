"""What `serve` is told on its command line, and what of it cannot be. Loads nothing but argparse
before that is read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from model_server.errors import ModelServerError

if TYPE_CHECKING:
    from pydantic import ValidationError

GRACE_SECONDS = 10.0
DEFAULT_SLOTS = 8
DEFAULT_CANDIDATES = 5
LARGEST_PORT = 65535
MOST_THREADS = 512
"""ggml has room for so many (`ggml.h`, GGML_MAX_N_THREADS), and aborts at more."""
MOST_SLOTS = 256
"""llama.cpp has so many sequences in a window (`llama-cparams.h`, LLAMA_MAX_SEQ)."""
LONGEST_GRACE_SECONDS = 86_400.0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="botconvo", description="Serve one friend's checkpoint over HTTP."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve one checkpoint")
    serve.add_argument("checkpoint", type=Path, metavar="FOLDER")
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine")
    serve.add_argument("--port", type=int, default=8001, help="0 takes any (default: %(default)s)")
    serve.add_argument(
        "--engine", choices=["auto", "llama", "tensorflow", "echo"], default="auto",
        help="auto: llama where the checkpoint has a GGUF file (default: %(default)s)",
    )  # fmt: skip
    serve.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    serve.add_argument("--slots", type=int, default=DEFAULT_SLOTS, help="generations at once")
    serve.add_argument(
        "--candidates", type=int, default=DEFAULT_CANDIDATES, help="drawn where none are asked for"
    )
    serve.add_argument("--temperature", type=float, default=0.75)
    serve.add_argument("--top-k", type=int, default=40)
    serve.add_argument("--top-p", type=float, default=0.92)
    serve.add_argument("--max-tokens", type=int, default=60)
    serve.add_argument("--repetition-penalty", type=float, default=1.0)
    serve.add_argument("--no-repeat-ngram", type=int, default=0, metavar="TOKENS",
                       help="no sequence of so many tokens twice; 0 is off")  # fmt: skip
    serve.add_argument("--banned-word", action="append", default=[], metavar="WORD")
    serve.add_argument("--allow-private-data", action="store_true",
                       help="let lines with addresses, phone numbers and the like win")  # fmt: skip
    serve.add_argument("--allow-quotes", action="store_true",
                       help="let lines that stand in the training text win")  # fmt: skip
    serve.add_argument("--key-file", type=Path, metavar="FILE",
                       help="who sends this key is answered; or: $BOTCONVO_SERVER_KEY")  # fmt: skip
    serve.add_argument("--allow-host", action="append", default=[], metavar="NAME",
                       help="a name, beside localhost, that this machine is called by")  # fmt: skip
    serve.add_argument("--log-prompts", action="store_true", help="what is said, too")
    serve.add_argument("--grace", type=float, default=GRACE_SECONDS, metavar="SECONDS",
                       help="for running requests when ended (default: %(default)s)")  # fmt: skip
    serve.add_argument(
        "--prefer",
        choices=["likeliest", "longest"],
        default="likeliest",
        help="among equally good candidates (the original took the longest)",
    )
    serve.add_argument(
        "--end-with-stdin",
        action="store_true",
        help="stop when standard input closes, as it does when a parent dies",
    )
    return parser


def check(options: argparse.Namespace) -> None:
    """Raises ModelServerError for a number out of its range or a text that is empty. How lines are
    drawn is as limited here as in a request."""
    from pydantic import Field, ValidationError, create_model

    from model_server.wire import Sampling

    numbers = create_model(
        "Numbers",
        port=(int, Field(ge=0, le=LARGEST_PORT)),
        threads=(int, Field(ge=1, le=MOST_THREADS)),
        slots=(int, Field(ge=1, le=MOST_SLOTS)),
        grace=(float, Field(ge=0, le=LONGEST_GRACE_SECONDS)),
    )
    told = vars(options)
    drawn = {name: told[name] for name in Sampling.model_fields if name in told}
    try:
        numbers.model_validate(told)
        Sampling.model_validate({**drawn, "n": options.candidates})
    except ValidationError as error:
        raise ModelServerError(_sentence(error)) from error
    if not options.host.strip():
        raise ModelServerError("--host should be an address of this machine, like 127.0.0.1.")
    if not all(word.strip() for word in options.banned_word):
        raise ModelServerError("--banned-word: an empty word would ban every line.")


def _sentence(error: ValidationError) -> str:
    from model_server.wire import MAX_NGRAM

    first = error.errors()[0]
    name = str(first["loc"][0])
    flag = "--candidates" if name == "n" else f"--{name.replace('_', '-')}"
    wanted = first["msg"].removeprefix("Input should be ")
    if name == "no_repeat_ngram":  # a union, of which pydantic tells the first alternative's limit
        wanted = f"0, which is off, or 2 to {MAX_NGRAM}"
    return f"{flag} should be {wanted}, and is {first['input']}."
