"""What a gradient does to the weights: clipping, Adam, and Muon beside it.

Knows no model and no session; adds operations to the graph that is being built.
"""

from __future__ import annotations

from typing import Any, Literal

from finetune.training.tensorflow_loading import tf, tf1

Optimizer = Literal["adam", "muon"]

MUON_SHARE_OF_RATE = 10.0
"""Muon's step is a matrix with singular values near 1, so its rate is larger than Adam's.
0.02 beside Adam's 0.002 is the pair that K. Jordan's Muon and nanochat use."""
MUON_MOMENTUM = 0.95
ADAM_BETA_2 = 0.98
CLIP_NORM = 1.0
EXPLODED = "The gradient's norm"
"""In the message of the error that an update ends with instead of taking a norm that is no
finite number."""


class Update:
    """One optimizer's changes to the variables; several ways of getting at a gradient share its
    state. `rate` is a float32 tensor []."""

    def __init__(self, optimizer: Optimizer, rate: Any, variables: list[Any]) -> None:
        self._optimizer = optimizer
        self._rate = rate
        self._variables = variables
        self._adam = tf1.train.AdamOptimizer(rate, beta2=ADAM_BETA_2)

    def applied(self, gradients: list[Any], divisor: Any) -> Any:
        """The norm of the mean gradient, the gradients over `divisor`, once every variable has
        changed by it, clipped. The run fails with EXPLODED before the first change if the norm
        is no finite number."""
        share = 1 / tf.maximum(divisor, 1e-9)
        squares = [tf.nn.l2_loss(tf.cast(g, tf.float32) * share) for g in gradients]
        norm = tf.debugging.check_numerics(tf.sqrt(2 * tf.add_n(squares)), EXPLODED)
        share *= CLIP_NORM / tf.maximum(norm, CLIP_NORM)
        # Without this the float32 copies above would be merged with these and kept until now.
        with tf1.control_dependencies([share]):
            gradients = [tf.identity(g) for g in gradients]
        pairs = [
            (tf.cast(g, tf.float32) * share, v)
            for g, v in zip(gradients, self._variables, strict=True)
        ]
        with tf1.control_dependencies(self._changes(pairs)):
            return tf.identity(norm)

    def _changes(self, pairs: list[tuple[Any, Any]]) -> list[Any]:
        hidden = [(g, v) for g, v in pairs if self._optimizer == "muon" and _is_hidden_matrix(v)]
        others = [(g, v) for g, v in pairs if not any(v is m for _, m in hidden)]
        muon_rate = self._rate * MUON_SHARE_OF_RATE
        return [
            self._adam.apply_gradients(others),
            *(_muon(g, v, muon_rate) for g, v in hidden),
        ]


def _is_hidden_matrix(variable: Any) -> bool:
    return "/h" in variable.op.name and variable.op.name.endswith("/w")


def _muon(gradient: Any, variable: Any, rate: Any) -> Any:
    """Muon's update of one matrix [1, inputs, outputs].

    Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks"
    (2024): Nesterov momentum, made orthogonal by five Newton-Schulz steps, scaled by
    sqrt(max(1, outputs / inputs)).
    """
    with tf1.variable_scope("muon", reuse=tf1.AUTO_REUSE):
        momentum = tf1.get_variable(
            variable.op.name, variable.shape, initializer=tf1.zeros_initializer(), trainable=False
        )
    averaged = momentum.assign(MUON_MOMENTUM * momentum + (1 - MUON_MOMENTUM) * gradient)
    blended = MUON_MOMENTUM * averaged + (1 - MUON_MOMENTUM) * gradient
    inputs, outputs = variable.shape.as_list()[1:]
    direction = tf.reshape(blended, [inputs, outputs])
    scale = max(1.0, outputs / inputs) ** 0.5
    update = tf.reshape(_orthogonal(direction), [1, inputs, outputs]) * scale
    return variable.assign_sub(rate * update).op


def _orthogonal(matrix: Any) -> Any:
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = tf.transpose(matrix) if tall else matrix
    x = x / (tf.norm(x) + 1e-7)
    for _ in range(5):
        gram = tf.matmul(x, x, transpose_b=True)
        x = a * x + tf.matmul(b * gram + c * tf.matmul(gram, gram), x)
    return tf.transpose(x) if tall else x
