"""What a table of words holds: the answers by their topics, the labels round them, the session's page, events."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Words:
    """What is said of one topic. In braces stand values that the answer brings, in backticks commands."""

    title: str
    text: str
    advice: str = ""
    owner: str = ""  #: what the application's owner does next, on pages for people
    named: str = ""  #: the title where the application's name may be told


@attrs.frozen(kw_only=True)
class Language:
    """All words of one language."""

    code: str  #: for `lang` and Content-Language
    moment: str  #: a time, for `strftime`; the pages' script writes it anew as the reader's own time
    answers: Mapping[str, Words]
    labels: Mapping[str, str]  #: what stands round an answer
    session: Mapping[str, str]  #: what stands on the session's page, its script's words included
    events: Mapping[str, str]  #: what happened in a session, by its words in English, up to a colon
