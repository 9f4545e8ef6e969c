"""The two READMEs and their tables: `python -m tests.readme` writes those that come from the code.

A table is found by the comment before it (`<!-- settings -->`), so that headings stay free.
"""

import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crypto.doctor import Diagnosis, Verdict
from server import errors, export_errors
from server.config.settings import Language, known_settings
from server.dingtalk import errors as dingtalk
from server.directory.causes import cause
from server.errors import DingBridgeError
from server.message import Message
from server.rest.session import Call, Purpose
from server.vendor_errors import VendorRefusedError
from server.verdicts import describe_diagnosis
from server.wecom import errors as wecom
from ui.text import Texts

PROJECT = Path(__file__).parents[1]
Rows = list[list[str]]
_TABLE = re.compile(r"(?:\|.*\n)+")
# The codes of the vendors that admins meet most; the program explains all the others alike.
_WECOM_CODES = (60020, 40001, 40013, 48002, 60011, 45009, 45024, 60103, 60104, 60105, 60129, 60008)
_DINGTALK_CODES = (60011, 40089, 60020, 50002, 50004, 90020)
_CAUSES = (
    "mobile-held",
    "mobile-held-unnamed",
    "takeover-changed",
    "userid-of-another",
    "mobile-of-leaver",
    "mobile-duplicate",
    "member-protected",
    "no-contact",
    "department-name-taken",
    "department-link-unusable",
    "department-not-empty",
)


@dataclass(frozen=True)
class Readme:
    """One of the READMEs; `secret` stands in place of a secret's default."""

    path: Path
    texts: Texts
    secret: str

    @property
    def content(self) -> str:
        """The whole text."""
        return self.path.read_text("utf-8")

    def after(self, mark: str) -> str:
        """Return what follows a comment."""
        _, found, rest = self.content.partition(f"<!-- {mark} -->\n")
        assert found, f"{self.path.name} has no <!-- {mark} -->"
        return rest

    def table(self, mark: str) -> Rows:
        """Return the cells of a table's rows, the heading left out."""
        rows = _TABLE.match(self.after(mark))
        assert rows
        return [
            [cell.strip() for cell in row.strip().strip("|").split("|")]
            for row in rows[0].splitlines()[2:]
        ]

    def example(self, name: str) -> object:
        """Return the JSON document shown under a name."""
        block = re.match(r"```json\n(.*?)\n```\n", self.after(f"json: {name}"), re.DOTALL)
        assert block
        return json.loads(block[1])


ENGLISH = Readme(PROJECT / "README.md", Texts(Language.ENGLISH), secret="*secret*")
CHINESE = Readme(PROJECT / "README.zh-CN.md", Texts(Language.CHINESE), secret="*机密*")


def _code(text: str) -> str:
    return f"`{text}`"


def settings_rows(readme: Readme) -> Rows:
    """Return name, type, default and meaning of every setting."""
    return [
        [
            _code(info.name),
            readme.texts(info.kind),
            readme.secret
            if info.is_secret
            else _code(json.dumps(info.default, ensure_ascii=False)),
            readme.texts(info.text),
        ]
        for info in known_settings()
    ]


def verdict_rows(readme: Readme) -> Rows:
    """Return every verdict of the key doctor with its title and hint."""
    advices = {verdict: describe_diagnosis(Diagnosis(verdict)) for verdict in Verdict}
    return [
        [_code(verdict), _template(readme, advice.title), _template(readme, advice.hint)]
        for verdict, advice in advices.items()
    ]


def _template(readme: Readme, message: Message) -> str:
    """Return a sentence with its gaps unfilled."""
    gaps = re.findall(r"\{(\w+)\}", message.text)
    return readme.texts(message.text, **{gap: f"{{{gap}}}" for gap in gaps})


def error_rows(readme: Readme) -> Rows:
    """Return code, title and hint of every error that has words of its own, as the code orders."""
    found = vars(errors) | vars(export_errors)
    kinds = [kind for kind in found.values() if inspect.isclass(kind)]
    return [
        [
            _code(kind.code),
            _template(readme, Message(kind.title_text)),
            _template(readme, Message(kind.hint_text)),
        ]
        for kind in kinds
        if issubclass(kind, DingBridgeError) and "title_text" in vars(kind)
    ]


def vendor_rows(readme: Readme) -> Rows:
    """Return the vendors' codes that admins meet most, each with its title and hint."""
    refusals = [
        *(_refusal(wecom.raise_for_error, number, "user/create") for number in _WECOM_CODES),
        *(_refusal(dingtalk.raise_for_error, number, "") for number in _DINGTALK_CODES),
    ]
    return [
        [
            _code(refusal.code),
            _template(readme, Message(refusal.title_text)),
            _template(readme, Message(refusal.hint_text)),
        ]
        for refusal in refusals
    ]


def _refusal(
    raise_for_error: Callable[[Mapping[str, object], Call], None], number: int, path: str
) -> VendorRefusedError:
    # With what 60020 and 60104 name, as they are explained best then.
    text = "from ip: 203.0.113.7, mobile existed:zhangsan"
    try:
        raise_for_error({"errcode": number, "errmsg": text}, Call(path, Purpose.WRITE))
    except VendorRefusedError as refusal:
        return refusal
    raise AssertionError(number)


def cause_rows(readme: Readme) -> Rows:
    """Return what waits for a decision or a correction, with its title and hint."""
    return [
        [_code(one.code), _template(readme, one.title), _template(readme, one.hint)]
        for one in map(cause, _CAUSES)
    ]


FROM_CODE: dict[str, Callable[[Readme], Rows]] = {
    "settings": settings_rows,
    "verdicts": verdict_rows,
    "errors": error_rows,
    "causes": cause_rows,
    "vendors": vendor_rows,
}


def main() -> int:
    """Write the tables that come from the code into both files; the rest stays as it is."""
    for readme in (ENGLISH, CHINESE):
        content = readme.content
        for mark, rows_of in FROM_CODE.items():
            old = _TABLE.match(readme.after(mark))
            if old is not None:
                heading = old[0].splitlines()[:2]
                rows = [f"| {' | '.join(row)} |" for row in rows_of(readme)]
                content = content.replace(old[0], "\n".join([*heading, *rows, ""]))
        readme.path.write_text(content, "utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
