"""What is in force: the command line, then the file, then the defaults, and of each value where it is from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from conductor_trio.configuration.settings import Section, Setting
from conductor_trio.configuration.toml_table import Table
from conductor_trio.errors import ConfigError


@attrs.frozen(kw_only=True)
class Origin:
    """Where a value is said: by an option, on a line of a file, or nowhere."""

    flag: str | None = None
    file: str | None = None
    line: int | None = None
    key: str = ""  #: as it stands in the file
    is_kept: bool = False  #: what is said there needs a restart, and the value is that of before

    @property
    def is_default(self) -> bool:
        """Whether nobody has said anything."""
        return self.flag is None and self.file is None

    def __str__(self) -> str:
        return f"of before, since it needs a restart; {self.place}" if self.is_kept else self.place

    @property
    def place(self) -> str:
        """In which words it is told."""
        if self.flag is not None:
            return f"command line ({self.flag})"
        if self.file is None:
            return "default"
        return self.file if self.line is None else f"{self.file}:{self.line}"


@attrs.frozen(kw_only=True)
class Given:
    """A setting's value, and where it is from."""

    setting: Setting
    value: object
    origin: Origin

    @property
    def name(self) -> str:
        """What the setting is called where its value is said."""
        return self.origin.flag or self.origin.key or self.setting.key

    def wrong(self, what: str) -> ConfigError:
        """Return the error that says what is wrong with the value, and where it is said."""
        return ConfigError(f"{self._place}{self.name}: {what}")

    def contradicts(self, what: str) -> ConfigError:
        """Return the error that says what the setting does or needs, in which another does not let it."""
        return ConfigError(f"{self._place}{self.name} {what}")

    @property
    def _place(self) -> str:
        return f"{self.origin.place}: " if self.origin.file else ""


#: The values of one section, or of one who is named in it, by the settings' fields.
Values = Mapping[str, Given]
Path = tuple[str, ...]


@attrs.frozen(kw_only=True)
class Configuration:
    """What is in force. `file` is what was read, None where no file is there."""

    sections: Sequence[Section]
    file: str | None
    values: Values  #: of all sections that name nobody, by field
    named: Mapping[str, Mapping[str, Values]]  #: by section, then by name; what is said there, and no defaults

    def __getitem__(self, field: str) -> Given:
        return self.values[field]

    def value(self, field: str) -> object:
        """Return the value in force."""
        return self.values[field].value

    def without(self, *fields: str) -> Configuration:
        """Return the same with the defaults of some settings, whatever was said."""
        defaults = {field: _default(self.values[field].setting) for field in fields}
        return attrs.evolve(self, values={**self.values, **defaults})

    def keep(self, field: str, value: object) -> Configuration:
        """Return the same with the value of before in the place of what is said now."""
        given = self.values[field]
        kept = attrs.evolve(given, value=value, origin=attrs.evolve(given.origin, is_kept=True))
        return attrs.evolve(self, values={**self.values, field: kept})

    def rows(self) -> Iterator[tuple[Path, Given]]:
        """Yield every value with its key in a file, section and name included."""
        for section in self.sections:
            if not section.named:
                above = (section.name,) if section.name else ()
                yield from (((*above, setting.key), self.values[setting.field]) for setting in section.settings)
                continue
            for name, values in self.named[section.name].items():
                yield from (((section.name, name, given.setting.key), given) for given in values.values())


def configure(
    sections: Sequence[Section], table: Table | None, options: Mapping[str, object] | None = None
) -> Configuration:
    """Put together what a file and a command line say; raises `ConfigError` for a mistake in either.

    `options` are values by field; None, an empty list and what is missing is not said.
    """
    options, elsewhere = options or {}, _places(sections)
    if table is not None:
        roots = [section for section in sections if not section.name]
        keys = [key for section in roots for setting in section.settings for key in setting.keys]
        table.check_keys([*keys, *(section.name for section in sections if section.name)], elsewhere)
    values: dict[str, Given] = {}
    named: dict[str, Mapping[str, Values]] = {}
    for section in sections:
        below = table.get_table(section.name) if table is not None and section.name else table
        if section.named:
            named[section.name] = _read_named(section, below)
            continue
        if below is not None and section.name:
            below.check_keys([key for setting in section.settings for key in setting.keys], elsewhere)
        for setting in section.settings:
            said = _read_option(setting, options) or _read_file(setting, below)
            values[setting.field] = said or _default(setting)
    return Configuration(sections=sections, file=None if table is None else table.file, values=values, named=named)


def _places(sections: Sequence[Section]) -> dict[str, str]:
    """Return where each key stands, of those that have one place."""
    return {
        key: f"in [{section.name}]" if section.name else "above all sections"
        for section in sections
        if not section.named
        for setting in section.settings
        for key in setting.keys
    }


def _default(setting: Setting) -> Given:
    return Given(setting=setting, value=setting.default, origin=Origin())


def _read_named(section: Section, table: Table | None) -> dict[str, Values]:
    """Return what is said of each who is named in a section."""
    found: dict[str, Values] = {}
    for name in () if table is None else table.values:
        assert table is not None
        own = table.get_table(name)
        assert own is not None
        if not name or not name.isprintable():
            raise table.wrong(f"is no name of a {section.named}", name)
        own.check_keys(key for setting in section.settings for key in setting.keys)
        said = {setting.field: _read_file(setting, own) for setting in section.settings}
        found[name] = {field: given for field, given in said.items() if given is not None}
    return found


def _read_option(setting: Setting, options: Mapping[str, object]) -> Given | None:
    value = options.get(setting.field)
    if value is None or value == []:
        return None
    return _checked(Given(setting=setting, value=value, origin=Origin(flag=setting.flags[0])))


def _read_file(setting: Setting, table: Table | None) -> Given | None:
    keys = [key for key in setting.keys if table is not None and key in table.values]
    if table is None or not keys:
        return None
    if len(keys) > 1:
        raise table.wrong(f"is the same setting as {keys[0]}, and one of them is enough", keys[1])
    path = ".".join((*table.path, keys[0]))
    origin = Origin(file=table.file, line=table.line_of(keys[0]), key=path)
    return _checked(Given(setting=setting, value=setting.kind.read(table, keys[0]), origin=origin))


def _checked(given: Given) -> Given:
    try:
        return attrs.evolve(given, value=given.setting.kind.check(given.value))
    except ValueError as error:
        raise given.wrong(str(error)) from error
