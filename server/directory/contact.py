"""What one DingTalk person tells about themselves, as far as WeCom can take it (`read_contact`).

A value that is unknown or unusable is None, "leave what is there"; an empty one is "".
"""

from collections.abc import Callable
from dataclasses import dataclass

from server.directory import causes, text
from server.directory.model import UNKNOWN, MaybeText, Person
from server.message import Message


@dataclass(frozen=True, slots=True)
class Contact:
    """Cleaned values of a person. An empty mobile or email may just be a forbidden one."""

    name: str
    mobile: str | None
    email: str | None
    position: str | None
    telephone: str | None
    employee_number: str | None
    warnings: tuple[Message, ...]


def read_contact(person: Person) -> Contact:
    """Clean every value of `person`; what was cut or left out is noted as a warning."""
    reader = _Reader(person.name.strip() or person.dingtalk_userid)
    state_code = _absent_as_empty(person.state_code)

    def to_mobile(number: str) -> str | None:
        return text.mobile(number, state_code)

    return Contact(
        name=reader.cut("name", person.name, text.MEMBER_NAME_MAX) or "",
        mobile=reader.take("mobile", _absent_as_empty(person.mobile), to_mobile),
        email=reader.take("email", _absent_as_empty(person.email), text.email),
        position=reader.cut("position", person.title, text.POSITION_MAX),
        telephone=reader.take("telephone", person.telephone, text.telephone),
        employee_number=reader.cut("employee number", person.job_number, text.ATTRIBUTE_MAX),
        warnings=tuple(reader.warnings),
    )


def _absent_as_empty(value: MaybeText) -> str:
    return "" if value is UNKNOWN else value


class _Reader:
    """Takes values one by one and collects what had to be adjusted."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.warnings: list[Message] = []

    def cut(self, field: str, value: MaybeText, limit: int) -> str | None:
        if value is UNKNOWN:
            return None
        value = value.strip()
        if len(value) > limit:
            self.warnings.append(causes.warning(causes.CUT, field=field, name=self.label))
        return value[:limit]

    def take(self, field: str, value: MaybeText, clean: Callable[[str], str | None]) -> str | None:
        if value is UNKNOWN:
            return None
        if not value.strip():
            return ""
        cleaned = clean(value)
        if cleaned is None:
            self.warnings.append(causes.warning(causes.UNUSABLE, field=field, name=self.label))
        return cleaned
