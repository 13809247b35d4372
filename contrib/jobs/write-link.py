#!/usr/bin/env python3
"""Read conductor-trio's events, keep the link in a file that only you can read, show what the application says.

    conductor-trio … | write-link.py FILE

The file is there as long as the client runs; it is replaced as a whole, so that a reader never sees a part of it.
GATEWAY_SCHEME in the environment is the link's, https unless given.
"""

import contextlib
import json
import os
import sys
import tempfile


def write_link(path, config):
    """The file holds the link."""
    scheme = os.environ.get("GATEWAY_SCHEME", "https")
    # A file of our own making: where others may write, too, they could have one of that name, and read it.
    descriptor, new = tempfile.mkstemp(prefix=os.path.basename(path), dir=os.path.dirname(path) or ".")
    with open(descriptor, "w") as stream:
        stream.write("{}://{}/_conductor/auth/{}\n".format(scheme, config["urls"][0], config["auth"]))
    os.replace(new, path)


def main():
    """Follow the events to their end."""
    [path] = sys.argv[1:]
    try:
        for line in sys.stdin:
            event = json.loads(line)
            if event["state"] == "live":
                write_link(path, event["config"])
                sys.stdout.write(f"live: the link is in {path}\n")
            elif event["state"] == "data":
                sys.stdout.write(event["data"])
            else:
                sys.stdout.write("{}: {}\n".format(event["state"], event.get("reason", "")))
            sys.stdout.flush()
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


if __name__ == "__main__":
    main()
