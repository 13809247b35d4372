"""The beginning of a program that is one file: it imports from a copy of that, and reads nothing else.

It has to be understood by Python 3.6, to say which one is needed.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

import fcntl
import os
import sys
import zipimport

LEAST = (3, 11)
#: Where the program is, for those that it starts (`conductor_trio.interpreter`).
ARCHIVE = os.path.abspath(sys.argv[0])
ENTRY = "@ENTRY@"


def begin_anew():
    """Have a later Python run this, where there is one; say what is needed where there is none."""
    from shutil import which
    from subprocess import DEVNULL, call

    suffices = "import sys; sys.exit(sys.version_info < %r)" % (LEAST,)
    for minor in range(20, LEAST[1] - 1, -1):
        python = which("python3.%d" % minor)
        if python and call([python, "-c", suffices], stderr=DEVNULL) == 0:  # not what only looks like one
            os.execv(python, [python, *sys.argv])
    sys.exit(
        "%s: Python %d.%d or later is needed, and this is %d.%d; where there is one: PYTHON %s"
        % ((os.path.basename(ARCHIVE), *LEAST, *sys.version_info[:2], ARCHIVE))
    )


def open_copy():
    """Return the path of a copy in memory of what is imported.

    This file may be replaced or removed while the program runs, which imports some of its parts late.
    """
    archive = zipimport.zipimporter(sys.path[0])
    try:
        content = archive.get_data("%s.zip" % sys.implementation.cache_tag)
    except OSError:  # compiled for others only
        content = archive.get_data("source.zip")
    copy = os.memfd_create("conductor-trio")
    # Whatever is closed of the three standard streams stays so for the program.
    descriptor = fcntl.fcntl(copy, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(copy)
    with open(descriptor, "wb", closefd=False) as stream:
        stream.write(content)
    return "/proc/self/fd/%d" % descriptor


def run():
    """Run the program, or with ``-m`` the module of it that is named."""
    sys.path[0] = open_copy()
    sys.argv[0] = ARCHIVE
    if sys.argv[1:2] == ["-m"]:
        import runpy

        del sys.argv[1]
        runpy.run_module(sys.argv.pop(1), run_name="__main__")
        return None
    from importlib import import_module

    return import_module(ENTRY).main()


if __name__ == "__main__":
    if sys.version_info < LEAST:
        begin_anew()
    sys.exit(run())
