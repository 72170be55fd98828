"""`python -m orchestrator`: the same as the console script `botconvo`."""

from orchestrator.cli import console

console()
