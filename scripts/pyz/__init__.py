"""``make pyz``: each program as one file, which needs nothing but Python.

The file is a zip (zipapp): `start.py` as its ``__main__``, the licences of what is in it, and the program with all
that it is made of, in archives of their own: compiled for each Python that was found here, and as source for all
others. Nothing is unpacked, and nothing is written where it runs.
"""
