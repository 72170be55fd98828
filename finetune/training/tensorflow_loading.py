"""TensorFlow and gpt-2-simple, loaded without their page of notices, and what this machine's
processor or GPU computes fast.

The only file of the package that imports the two; it takes seconds, so nobody imports it who
does not compute. It knows no model and no weights.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal


@contextmanager
def _native_log_kept() -> Iterator[None]:
    """TensorFlow's C++ side writes a page of notices about CUDA and oneDNN before any of its
    settings can silence it. They go to a file, and come out only if loading fails."""
    with tempfile.TemporaryFile() as kept:
        stderr = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _native_log_kept():
    import gpt_2_simple.src.model as gpt2_model
    import tensorflow as tf
    from tensorflow.core.protobuf import rewriter_config_pb2

    tf.config.list_physical_devices()

tf1 = tf.compat.v1
tf1.logging.set_verbosity(tf1.logging.ERROR)

__all__ = ["Precision", "best_precision", "gpt2_model", "session_config", "tf", "tf1"]

Precision = Literal["float32", "bfloat16", "float16"]
"""Of matrix products; weights, the optimizer's state and sums over many terms stay float32."""

CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Processors without one of them emulate bfloat16 and are slower with it than without."""
BFLOAT16_CAPABILITY, FLOAT16_CAPABILITY = (8, 0), (7, 0)
"""NVIDIA's Ampere and Volta, the first with tensor cores for each type."""


def best_precision() -> Precision:
    """The fastest precision that trains well here: that of the first GPU if TensorFlow sees
    one, else that of the processor."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return gpu_precision(details.get("compute_capability"))
    try:
        return cpu_precision(CPU_INFO.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return "float32"


def gpu_precision(capability: tuple[int, int] | None) -> Precision:
    """By NVIDIA's compute capability; None is a GPU of another maker.

    Not measured on a GPU so far: the choice follows NVIDIA's "Train With Mixed Precision".
    """
    if capability is None or capability < FLOAT16_CAPABILITY:
        return "float32"
    return "bfloat16" if capability >= BFLOAT16_CAPABILITY else "float16"


def cpu_precision(cpu_info: str) -> Precision:
    """By the flags in the text of Linux's /proc/cpuinfo."""
    flags = {
        flag
        for line in cpu_info.splitlines()
        if line.startswith("flags")
        for flag in line.partition(":")[2].split()
    }
    return "bfloat16" if flags & BFLOAT16_FLAGS else "float32"


def session_config(threads: int) -> Any:
    """A session's settings; 0 threads are as many as there are cores."""
    # Two operations at once keep the cores busy while one of them cannot be divided; more would
    # keep more arrays at the same time.
    config = tf1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1 if threads == 1 else 2
    )
    config.gpu_options.allow_growth = True
    # As gpt-2-simple's own sessions have it.
    config.graph_options.rewrite_options.layout_optimizer = rewriter_config_pb2.RewriterConfig.OFF
    return config
