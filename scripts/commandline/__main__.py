"""``python -m scripts.commandline``: write anew what is made of the tables, in contrib and docs."""

from __future__ import annotations

from scripts.commandline.files import CONTRIB, DOCS, make_documents, make_files

if __name__ == "__main__":
    for directory, texts in ((CONTRIB, make_files()), (DOCS, make_documents())):
        for name, text in texts.items():
            (directory / name).write_text(text)
            print(f"{directory.name}/{name}")
