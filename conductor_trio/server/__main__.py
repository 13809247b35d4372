"""``python -m conductor_trio.server`` is ``conductor-trio-server``."""

import sys

from conductor_trio.server.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
