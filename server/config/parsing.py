"""Parses JSON into Settings, strictly, and reports all problems at once.

Collects the problems of the whole object, each under its dotted name, before raising.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, cast

from server.config.files import JsonObject
from server.config.rules import UnfitError, to_json
from server.config.settings import Settings, known_settings, sections
from server.errors.base import Problem, SettingsError
from server.errors.message import N_, Message

_SHOWN_NAME = 60
_NOT_SETTINGS = frozenset({"version"})  # belongs to the file, not to the user


@dataclass(slots=True)
class Flat:
    """A flattened object: the known dotted names with their values, and the unknown names."""

    values: dict[str, object] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Parsed settings, and the dotted names that this version does not know."""

    settings: Settings
    unknown: tuple[str, ...] = ()


def flatten(document: object) -> Flat:
    """Flatten a nested object; does not check its values."""
    flat = Flat()
    if not isinstance(document, Mapping):
        flat.problems.append(Problem("JSON", Message(N_("a JSON object is expected"))))
        return flat
    known = {info.name for info in known_settings()}
    for section, content in cast("Mapping[str, object]", document).items():
        if section not in sections():
            flat.unknown.append(section)
        elif not isinstance(content, Mapping):
            flat.problems.append(
                Problem(section, Message(N_("an object with settings is expected")))
            )
        else:
            for name, value in content.items():
                dotted = f"{section}.{name}"
                if dotted in known:
                    flat.values[dotted] = value
                else:
                    flat.unknown.append(dotted)
    return flat


def unknown_setting(name: str) -> Problem:
    """Describe an unknown name, with the most similar known one."""
    known = [info.name for info in known_settings()]
    shown = _shown(name)
    if name in known:
        section, _, setting = name.partition(".")
        example = json.dumps({section: {setting: "…"}}, ensure_ascii=False)
        return Problem(shown, Message(N_("write it nested, like {example}"), {"example": example}))
    near = get_close_matches(name, [*sections(), *known], n=1, cutoff=0.5)
    if not near:
        return Problem(shown, Message(N_("unknown setting")))
    text = N_("unknown setting; did you mean {nearest}?")
    return Problem(shown, Message(text, {"nearest": near[0]}))


def _shown(name: str) -> str:
    """Make a name from outside safe to print on one line of any terminal."""
    cut = name if len(name) <= _SHOWN_NAME else name[:_SHOWN_NAME] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut) or '""'


def parse_settings(document: JsonObject) -> Parsed:
    """Parse the whole of settings.json. Raises SettingsError with every problem in it.

    Unknown names are no error: a newer version with the same format wrote them. Saving keeps them.
    """
    flat = flatten({key: item for key, item in document.items() if key not in _NOT_SETTINGS})
    values, problems = parse_values(flat.values)
    problems = [*flat.problems, *problems, *_contradictions(values)]
    if problems:
        raise SettingsError(problems)
    return Parsed(_build(values), tuple(_shown(name) for name in flat.unknown))


def parse_values(values: Mapping[str, object]) -> tuple[dict[str, Any], list[Problem]]:
    """Parse the plain settings in `values` (dotted names) by their rules."""
    parsed: dict[str, Any] = {}
    problems: list[Problem] = []
    for info in known_settings():
        if info.is_secret or info.name not in values:
            continue
        try:
            parsed[info.name] = info.rule.parse(values[info.name])
        except UnfitError as exc:
            problems.append(Problem(info.name, exc.message))
    return parsed, problems


def _contradictions(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems between settings that are each valid on their own."""
    defaults = Settings()

    def value(name: str) -> Any:
        return values.get(name, defaults.value_of(name))

    excluded = value("sync.excluded_department_ids")
    if set(excluded) & set(value("sync.source_department_ids")):
        text = N_("it contains a department that is also in sync.source_department_ids")
        yield Problem("sync.excluded_department_ids", Message(text))


def _build(values: Mapping[str, Any]) -> Settings:
    parts: dict[str, Callable[..., Any]] = dict(sections())
    built: dict[str, Any] = {
        section: part(
            **{
                name.partition(".")[2]: value
                for name, value in values.items()
                if name.startswith(section + ".")
            }
        )
        for section, part in parts.items()
    }
    return Settings(**built)


def with_settings(document: JsonObject, values: Mapping[str, object]) -> JsonObject:
    """Return `document` with the plain settings in `values` (dotted names) replaced."""
    result = dict(document)
    for dotted, value in values.items():
        section, _, name = dotted.partition(".")
        content = result.get(section)
        known = cast("JsonObject", content) if isinstance(content, dict) else {}
        result[section] = {**known, name: to_json(value)}
    return result
