"""The dashboard's page, made of the files beside this one: one document, which asks for nothing more."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files

import attrs

from conductor_trio.pages.documents import Document


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


@attrs.frozen(eq=False)
class DashboardPage:
    """The page, once for all who look at it; `site` is whose gateway it is."""

    site: str = ""
    _markup: str = attrs.field(factory=lambda: _read("dashboard.html"), repr=False)
    _style: str = attrs.field(factory=lambda: _read("dashboard.css"), repr=False)
    _script: str = attrs.field(factory=lambda: _read("dashboard.js"), repr=False)
    _policy: bytes = attrs.field(init=False, repr=False)

    @_policy.default
    def _make_policy(self) -> bytes:
        """Allow its own style, script, WebSocket and form, and nothing else; text never becomes markup."""
        return (
            f"default-src 'none'; style-src {_hash(self._style)}; script-src {_hash(self._script)}; "
            "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        ).encode()

    def render(self, proof: str, user: str) -> Document:
        """Return the page for an operator; no other window may hold it."""
        page = self._markup
        for name, text in (
            ("STYLE", self._style),
            ("SCRIPT", self._script),
            ("SITE", escape(self.site or "Gateway")),
            ("PROOF", escape(proof)),
            ("USER", escape(user)),
        ):
            page = page.replace(f"@{name}@", text)
        return Document(
            content_type=b"text/html; charset=utf-8",
            body=page.encode("utf-8", "replace"),
            fields=(
                (b"Content-Security-Policy", self._policy),
                (b"Cross-Origin-Opener-Policy", b"same-origin"),
                (b"Cross-Origin-Embedder-Policy", b"require-corp"),
                (b"Cross-Origin-Resource-Policy", b"same-origin"),
                (b"Referrer-Policy", b"same-origin"),
            ),
        )
