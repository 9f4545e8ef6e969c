"""Merges changes into the stored settings: returns the complete result, or all the problems.

Pure: documents in, documents out; `server.config.store` reads and writes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from crypto.credential_input import clean, judge
from crypto.credentials import CredentialField, Keyring
from crypto.secret import Secret
from server.config.files import JsonObject
from server.config.parsing import (
    flatten,
    parse_settings,
    parse_values,
    unknown_setting,
    with_settings,
)
from server.config.rules import UnfitError
from server.config.secrets import Draft, Secrets
from server.config.settings import Settings, known_settings
from server.errors.base import Problem, SettingsError
from server.errors.credentials import describe_problem
from server.errors.message import N_, Message

_CREDENTIALS = {f"callback.{field}": field for field in CredentialField}


class Effect(StrEnum):
    """What became of entered credentials."""

    UNTOUCHED = "untouched"
    INCOMPLETE = "incomplete"
    ACTIVE = "active"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of a merge, not saved yet.

    `changed` holds the dotted names whose values differ from before, `missing` the values that
    incomplete credentials still need, `settings_document` the whole settings.json.
    """

    settings: Settings
    settings_document: JsonObject
    secrets: Secrets
    unknown: tuple[str, ...]
    changed: tuple[str, ...]
    needs_restart: bool
    credentials: Effect
    missing: tuple[CredentialField, ...]


@dataclass(slots=True)
class _Request:
    """The changes, parsed and checked; `problems` is empty if all can be used."""

    settings: dict[str, object]
    credentials: dict[CredentialField, str]
    secrets: dict[str, Secret]
    problems: list[Problem]


def merged(document: JsonObject, secrets: Secrets, changes: object) -> Merged:
    """Merge `changes`, an object nested as in settings.json, into what is stored.

    Can correct an unusable value in the stored document; one that stays is a problem, too. Raises
    SettingsError with every problem.
    """
    request = _read(changes)
    try:
        after = parse_settings(with_settings(document, request.settings))
    except SettingsError as exc:
        request.problems += [p for p in exc.problems if p not in request.problems]
    if request.problems:
        raise SettingsError(request.problems)
    before = _settings_or_defaults(document)
    new_secrets, effect = _entered(secrets, request)
    changed = (
        *(
            name
            for name in request.settings
            if before.value_of(name) != after.settings.value_of(name)
        ),
        *_changed_secrets(secrets, request),
    )
    return Merged(
        settings=after.settings,
        settings_document=with_settings(document, request.settings),
        secrets=new_secrets,
        unknown=after.unknown,
        changed=changed,
        needs_restart=any(info.needs_restart and info.name in changed for info in known_settings()),
        credentials=effect,
        missing=new_secrets.draft.missing if effect is Effect.INCOMPLETE else (),
    )


def _settings_or_defaults(document: JsonObject) -> Settings:
    try:
        return parse_settings(document).settings
    except SettingsError:  # the merge corrects it; every value that it sets counts as changed
        return Settings()


def _read(changes: object) -> _Request:
    flat = flatten(changes)
    problems = [*flat.problems, *(unknown_setting(name) for name in flat.unknown)]
    settings, unfit = parse_values(flat.values)
    request = _Request(dict(settings), {}, {}, [*problems, *unfit])
    for name in (info.name for info in known_settings() if info.is_secret):
        if name in flat.values:
            _read_secret(request, name, flat.values[name])
    return request


def _read_secret(request: _Request, name: str, value: object) -> None:
    rule = next(info.rule for info in known_settings() if info.name == name)
    try:
        if name in _CREDENTIALS and isinstance(value, str):
            field = _CREDENTIALS[name]
            request.credentials[field] = _usable(field, value)
        else:
            request.secrets[name] = Secret(cast("str", rule.parse(value)))
    except UnfitError as exc:
        request.problems.append(Problem(name, exc.message))


def _usable(field: CredentialField, text: str) -> str:
    value = clean(field, text)
    problem = judge(field, value)
    if problem is not None and problem.character and not problem.character.isprintable():
        raise UnfitError(Message(N_("it contains invisible characters; type it again")))
    if problem is not None:
        raise UnfitError(describe_problem(problem))
    return value


def _base(secrets: Secrets) -> Draft:
    """Return the set that entered values complete: the one entered last."""
    newest = secrets.keyring.pending or secrets.keyring.active
    return Draft.of(newest) if newest is not None else secrets.draft


def _entered(secrets: Secrets, request: _Request) -> tuple[Secrets, Effect]:
    secrets = replace(
        secrets,
        app_secret=request.secrets.get("dingtalk.app_secret", secrets.app_secret),
        contact_secret=request.secrets.get("wecom.contact_secret", secrets.contact_secret),
    )
    if not request.credentials:
        return secrets, Effect.UNTOUCHED
    draft = _base(secrets).with_values(request.credentials)
    credentials = draft.completed()
    if credentials is None:
        return replace(secrets, draft=draft), Effect.INCOMPLETE
    keyring = secrets.keyring.entered(credentials)
    return replace(secrets, keyring=keyring, draft=Draft()), _effect(keyring)


def _effect(keyring: Keyring) -> Effect:
    return Effect.ACTIVE if keyring.pending is None else Effect.PENDING


def _changed_secrets(before: Secrets, request: _Request) -> tuple[str, ...]:
    texts = _base(before).texts()
    old = {"dingtalk.app_secret": before.app_secret, "wecom.contact_secret": before.contact_secret}
    return (
        *(
            f"callback.{field}"
            for field, text in request.credentials.items()
            if texts[field] != text
        ),
        *(name for name, secret in request.secrets.items() if old[name] != secret),
    )


def changes_secrets(changes: Mapping[str, object]) -> bool:
    """Whether `changes` contain any secret value."""
    values = flatten(changes).values
    return any(info.is_secret and info.name in values for info in known_settings())
