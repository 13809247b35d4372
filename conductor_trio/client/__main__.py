"""The entry point of ``conductor-trio``; ``python -m conductor_trio`` is the same."""

from __future__ import annotations

import sys

from conductor_trio import exit_status, interrupt

# Those of the client's commands that say by their status whether something is done.
_ANSWERING = {"ls", "stop", "share", "doctor", "submit", "setup"}


def main() -> int:
    """Run the client; SIGINT ends it without a word, whatever is still being imported."""
    interrupt.end_at_once(exit_status.INTERRUPTED if _ANSWERING.intersection(sys.argv) else exit_status.OK)
    from conductor_trio.client.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
