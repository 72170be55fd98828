"""`python -m finetune`: the same commands as `botconvo`, without the orchestrator."""

import sys
from io import TextIOWrapper

if isinstance(sys.stdout, TextIOWrapper) and not sys.stdout.isatty():
    # Whoever asked reads it as that, whatever the system's language.
    sys.stdout.reconfigure(encoding="utf-8")

try:
    from finetune.cli import main
except KeyboardInterrupt:  # Ctrl-C while the modules load is no error worth a traceback
    sys.exit(130)

sys.exit(main(sys.argv[1:]))
