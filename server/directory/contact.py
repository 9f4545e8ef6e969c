"""What one DingTalk person tells about themselves, as far as WeCom can take it (`read_contact`).

DingTalk leaves out what is empty (facts, DingTalk 5.2), so that absent is empty here. An unusable
value is None, "leave what is there".
"""

from collections.abc import Callable
from dataclasses import dataclass

from server.directory import causes, text
from server.directory.model import UNKNOWN, MaybeText, Person
from server.errors.message import Message


@dataclass(frozen=True, slots=True)
class Contact:
    """Cleaned values of a person.

    An empty mobile or email may just be a forbidden one; title, telephone and job number need no
    field permission (5.3).
    """

    name: str
    mobile: str | None
    email: str | None
    position: str
    telephone: str | None
    employee_number: str
    warnings: tuple[Message, ...]


def read_contact(person: Person) -> Contact:
    """Clean every value of `person`; what was cut or left out is noted as a warning."""
    reader = _Reader(person.name.strip() or person.dingtalk_userid)
    state_code = _known(person.state_code)

    def to_mobile(number: str) -> str | None:
        return text.mobile(number, state_code)

    return Contact(
        name=reader.cut("name", person.name, text.MEMBER_NAME_MAX),
        mobile=reader.take("mobile", person.mobile, to_mobile),
        email=reader.take("email", person.email, text.email),
        position=reader.cut("position", person.title, text.POSITION_MAX),
        telephone=reader.take("telephone", person.telephone, text.telephone),
        employee_number=reader.cut("employee number", person.job_number, text.ATTRIBUTE_MAX),
        warnings=tuple(reader.warnings),
    )


def _known(value: MaybeText) -> str:
    return "" if value is UNKNOWN else value


class _Reader:
    """Takes values one by one and collects what had to be adjusted."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.warnings: list[Message] = []

    def cut(self, field: str, value: MaybeText, limit: int) -> str:
        known = _known(value).strip()
        if len(known) > limit:
            self.warnings.append(causes.warning(causes.CUT, field=field, name=self.label))
        return known[:limit]

    def take(self, field: str, value: MaybeText, clean: Callable[[str], str | None]) -> str | None:
        known = _known(value)
        if not known.strip():
            return ""
        cleaned = clean(known)
        if cleaned is None:
            self.warnings.append(causes.warning(causes.UNUSABLE, field=field, name=self.label))
        return cleaned
