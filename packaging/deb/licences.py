"""``licences.py FILE.pyz DIRECTORY``: the licences of what is in a program that is one file."""

import sys
import zipfile

program, directory = sys.argv[1:]
with zipfile.ZipFile(program) as file:
    file.extractall(directory, [name for name in file.namelist() if name.startswith("licences/")])
