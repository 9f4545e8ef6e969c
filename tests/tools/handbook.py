"""Brings the handbook up to date with the code: `python -m tests.tools.handbook`.

It writes the tables that come from the code into the Markdown, and renders the Markdown as the HTML
that the program shows. A table is found by the comment before it (`<!-- settings -->`), so that
headings stay free.
"""

import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crypto.doctor import Diagnosis, Verdict
from server.config.settings import Language, known_settings
from server.dingtalk import errors as dingtalk
from server.directory.causes import cause
from server.errors import base as errors
from server.errors import export as export_errors
from server.errors.base import DingBridgeError
from server.errors.credentials import describe_diagnosis
from server.errors.message import Message
from server.errors.vendor import VendorRefusedError
from server.rest.session import Call, Purpose
from server.wecom import errors as wecom
from tests.tools.rendering import rendered
from ui.help import opening
from ui.words.text import Texts

PROJECT = Path(__file__).parents[2]
HELP = PROJECT / "ui/help"
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
class Handbook:
    """The handbook in one language; `secret` stands in place of a secret's default."""

    language: Language
    folder: Path
    readme: Path
    secret: str

    @property
    def texts(self) -> Texts:
        """The program's own words in this language."""
        return Texts(self.language)

    @property
    def pages(self) -> dict[str, str]:
        """The Markdown of each page, by the name of its file without `.md`."""
        return {path.stem: path.read_text("utf-8") for path in sorted(self.folder.glob("*.md"))}

    def after(self, mark: str) -> str:
        """Return what follows a comment; exactly one page has it."""
        comment = f"<!-- {mark} -->\n"
        (rest,) = [text.split(comment)[1] for text in self.pages.values() if comment in text]
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


ENGLISH = Handbook(Language.ENGLISH, HELP / "en", PROJECT / "README.md", secret="*secret*")
CHINESE = Handbook(Language.CHINESE, HELP / "zh_CN", PROJECT / "README.zh-CN.md", secret="*机密*")
BOTH = (ENGLISH, CHINESE)


def rooms(*roots: str) -> set[str]:
    """Return the packages right below these folders, as in `server/journal`."""
    found = (path for root in roots for path in (PROJECT / root).glob("*/__init__.py"))
    return {path.parent.relative_to(PROJECT).as_posix() for path in found}


def _code(text: str) -> str:
    return f"`{text}`"


def settings_rows(book: Handbook) -> Rows:
    """Return name, type, default and meaning of every setting."""
    return [
        [
            _code(info.name),
            book.texts(info.kind),
            book.secret if info.is_secret else _code(json.dumps(info.default, ensure_ascii=False)),
            book.texts(info.text),
        ]
        for info in known_settings()
    ]


def verdict_rows(book: Handbook) -> Rows:
    """Return every verdict of the key doctor with its title and hint."""
    advices = {verdict: describe_diagnosis(Diagnosis(verdict)) for verdict in Verdict}
    return [
        [_code(verdict), _template(book, advice.title), _template(book, advice.hint)]
        for verdict, advice in advices.items()
    ]


def _template(book: Handbook, message: Message) -> str:
    """Return a sentence with its gaps unfilled."""
    gaps = re.findall(r"\{(\w+)\}", message.text)
    return book.texts(message.text, **{gap: f"{{{gap}}}" for gap in gaps})


def error_rows(book: Handbook) -> Rows:
    """Return code, title and hint of every error that has words of its own, as the code orders."""
    found = vars(errors) | vars(export_errors) | vars(opening)
    kinds = [kind for kind in found.values() if inspect.isclass(kind)]
    return [
        [
            _code(kind.code),
            _template(book, Message(kind.title_text)),
            _template(book, Message(kind.hint_text)),
        ]
        for kind in kinds
        if issubclass(kind, DingBridgeError) and "title_text" in vars(kind)
    ]


def vendor_rows(book: Handbook) -> Rows:
    """Return the vendors' codes that admins meet most, each with its title and hint."""
    refusals = [
        *(_refusal(wecom.raise_for_error, number, "user/create") for number in _WECOM_CODES),
        *(_refusal(dingtalk.raise_for_error, number, "") for number in _DINGTALK_CODES),
    ]
    return [
        [
            _code(refusal.code),
            _template(book, Message(refusal.title_text)),
            _template(book, Message(refusal.hint_text)),
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


def cause_rows(book: Handbook) -> Rows:
    """Return what waits for a decision or a correction, with its title and hint."""
    return [
        [_code(one.code), _template(book, one.title), _template(book, one.hint)]
        for one in map(cause, _CAUSES)
    ]


FROM_CODE: dict[str, Callable[[Handbook], Rows]] = {
    "settings": settings_rows,
    "verdicts": verdict_rows,
    "errors": error_rows,
    "causes": cause_rows,
    "vendors": vendor_rows,
}


def main() -> int:
    """Write the tables that come from the code, then the pages as the program shows them."""
    for book in BOTH:
        for name, content in book.pages.items():
            written = _with_tables(book, content)
            (book.folder / f"{name}.md").write_text(written, "utf-8", newline="\n")
        rendered = HELP / "html" / book.folder.name
        rendered.mkdir(parents=True, exist_ok=True)
        for gone in {path.stem for path in rendered.glob("*.html")} - book.pages.keys():
            (rendered / f"{gone}.html").unlink()
        for name, html in rendered_pages(book).items():
            (rendered / f"{name}.html").write_text(html, "utf-8", newline="\n")
    return 0


def _with_tables(book: Handbook, content: str) -> str:
    for mark, rows_of in FROM_CODE.items():
        before, comment, rest = content.partition(f"<!-- {mark} -->\n")
        old = _TABLE.match(rest)
        if old is not None:
            heading = old[0].splitlines()[:2]
            rows = [f"| {' | '.join(row)} |" for row in rows_of(book)]
            table = "\n".join([*heading, *rows, ""])
            content = before + comment + table + rest[old.end() :]
    return content


def rendered_pages(book: Handbook) -> dict[str, str]:
    """Return each page as HTML, by its name."""
    (other,) = [one for one in BOTH if one is not book]
    return {
        name: rendered(content, name, book.folder.name, other.folder.name)
        for name, content in book.pages.items()
    }


if __name__ == "__main__":
    sys.exit(main())
