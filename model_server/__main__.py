"""`python -m model_server serve CHECKPOINT`: one friend's server by itself."""

import sys

from model_server.cli import main

sys.exit(main(sys.argv[1:]))
