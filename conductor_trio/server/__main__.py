"""The entry point of ``conductor-trio-server``, and ``python -m conductor_trio.server``."""

from __future__ import annotations

import sys

from conductor_trio import exit_status, interrupt


def main() -> int:
    """Run the server; SIGINT ends it without a word, whatever is still being imported."""
    interrupt.end_at_once(exit_status.OK)
    from conductor_trio.server.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
