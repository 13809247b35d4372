"""``python -m scripts.commandline``: write contrib/completion, contrib/man and contrib/server.toml anew."""

from __future__ import annotations

from scripts.commandline.files import CONTRIB, make_files

if __name__ == "__main__":
    for name, text in make_files().items():
        (CONTRIB / name).write_text(text)
        print(f"contrib/{name}")
