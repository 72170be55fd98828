"""`python -m orchestrator`: the same as the console script `botconvo`."""

import sys

try:
    from orchestrator.cli import console
except KeyboardInterrupt:  # Ctrl-C while the modules load is no error worth a traceback
    sys.exit(130)

console()
