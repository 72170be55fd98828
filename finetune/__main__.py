"""`python -m finetune`: the same commands as `botconvo`, without the orchestrator."""

import sys

try:
    from finetune.cli import main
except KeyboardInterrupt:  # Ctrl-C while the modules load is no error worth a traceback
    sys.exit(130)

sys.exit(main(sys.argv[1:]))
