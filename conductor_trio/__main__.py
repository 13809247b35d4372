"""``python -m conductor_trio`` is the client; ``python -m conductor_trio.server`` is the server."""

import sys

from conductor_trio.client.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
