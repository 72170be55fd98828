"""`python -m finetune`: the same commands as `botconvo`, without the orchestrator."""

import sys

from finetune.cli import main

sys.exit(main(sys.argv[1:]))
