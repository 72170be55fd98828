"""Names for the arrays that training passes about."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]

Weights = dict[str, FloatArray]
"""gpt-2-simple's variables by name, without the `model/` in front."""

Batch = tuple[IntArray, FloatArray]
"""Token ids [rows, window + 1] and the weight of each prediction [rows, window]."""
