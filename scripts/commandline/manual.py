"""Manual pages: prose from a template, and what the table says about commands and options, as man(7) wants it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from conductor_trio.commandline.table import Command, Option, Program
from conductor_trio.configuration.settings import Section, Setting
from conductor_trio.configuration.toml_text import format_value


def fill_page(template: str, program: Program, more: Mapping[str, str] | None = None) -> str:
    """Return the page. ``@SYNOPSIS@``, ``@OPTIONS@``, ``@COMMANDS@`` and option groups stand for their parts.

    So do the names of `more`.
    """
    options_by_group: dict[str, list[Option]] = {}
    for option in program.default.all_options:
        options_by_group.setdefault(option.group or "options", []).append(option)
    parts = {group.upper(): _format_options(options) for group, options in options_by_group.items()}
    parts["SYNOPSIS"] = "\n.br\n".join(
        _mark(f"{program.call(command)} {form}", program.name)
        for command in program.everything
        for form in command.forms
    )
    parts["COMMANDS"] = "\n".join(_format_command(program, command) for command in program.commands)
    parts |= more or {}
    missing = [name for name in parts if f"@{name}@" not in template]
    if missing:
        raise ValueError(f"the template has no place for {', '.join(missing)}")
    return re.sub("@([A-Z]+)@", lambda match: parts[match[1]], template)


def _format_command(program: Program, command: Command) -> str:
    """Return a paragraph for each form, what the command does, and those of its options that are its own."""
    heads = "\n.TQ\n".join(_mark(f"{command.name} {form}", command.name) for form in command.forms)
    text = f".TP\n{heads}\n{_escape(command.explanation)}"
    known = set(program.default.all_options)
    own = [option for option in command.options if option not in known]
    return f"{text}\n.RS\n{_format_options(own)}\n.RE" if own else text


def format_settings(sections: Iterable[Section]) -> str:
    """Return what a file can say for which there is no option."""
    text = []
    for section in sections:
        if section.name:
            named = rf".\fI{section.named.upper()}\fP" if section.named else ""
            text.append(f".TP\n\\fB[{section.name}\\fP{named}\\fB]\\fP\n{_escape(section.help)}\n.RS")
        text += [_format_setting(setting) for setting in section.settings if not setting.flags]
        text += [".RE"] if section.name else []
    return "\n".join(text)


def _format_setting(setting: Setting) -> str:
    about = f"{setting.help}. {setting.more}".strip()
    value = setting.example or format_value(setting.default)
    return f".TP\n\\fB{_escape(setting.key)}\\fP = {_escape(value)}\n{_escape(about)}"


def _format_options(options: Iterable[Option]) -> str:
    return "\n".join(_format_option(option) for option in options)


def _format_option(option: Option) -> str:
    flags = ", ".join(rf"\fB{_escape(flag)}\fP" for flag in option.flags)
    value = rf" \fI{option.metavar}\fP" if option.metavar else ""
    negation = rf", \fB{_escape(option.negation)}\fP" if option.negation else ""
    return f".TP\n{flags}{value}{negation}\n{_escape(option.help)}"


def _mark(form: str, literal: str) -> str:
    """Return a usage line whose literal words are bold and whose variable ones are italic."""
    words = " ".join(form.split())
    marked = re.sub(r"[A-Z][A-Z_]*|(?<![\w-])--?[a-z][a-z-]*|(?<=\[)--(?=\])|(?<= )--(?= )", _mark_word, words)
    return _escape_dashes(re.sub(f"^{re.escape(literal)}(?: [a-z]+)?", lambda match: rf"\fB{match[0]}\fP", marked))


def _mark_word(match: re.Match[str]) -> str:
    font = "I" if match[0][0].isupper() else "B"
    return rf"\f{font}{match[0]}\fP"


def _escape(text: str) -> str:
    """Return a text as groff shows it: no line is a request, and a hyphen can be copied as it is."""
    text = _escape_dashes(text.replace("\\", "\\e"))
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _escape_dashes(text: str) -> str:
    return text.replace("-", "\\-")
