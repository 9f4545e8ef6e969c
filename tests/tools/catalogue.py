"""The Chinese catalogue: `python -m tests.tools.catalogue` brings it up to date with the code.

Collects every sentence in the code, keeps the translations there are, drops those of sentences
that are gone, writes the `.po`, compiles the `.mo`, and names what is still to be translated in
the `.po`. The same code and translations always give the same bytes: no dates, no line numbers.
It stands among the tests because it needs babel, which the program itself does without.
"""

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

PROJECT = Path(__file__).parents[2]
PO = PROJECT / "ui/locale/zh_CN/LC_MESSAGES/dingbridge.po"
MO = PO.with_suffix(".mo")
# N_ marks a sentence that is translated later; the other two are how Texts is named where it is
# called with the sentence itself.
_KEYWORDS = {"N_": None, "texts": None, "_texts": None}
_SOURCES = ("main.py", "crypto", "server", "ui")
_HEADER = """\
# 钉桥 DingBridge：简体中文
# Written by `python -m tests.tools.catalogue`; only the translations are edited here.
#"""


_HEADER_LINES = {"Language", "Plural-Forms", "MIME-Version", "Content-Type"}


class _Steady(Catalog):
    """A catalogue whose header has no dates and no versions."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """The header's lines without those that change by themselves."""
        return [(name, text) for name, text in super().mime_headers if name in _HEADER_LINES]


def source_files() -> list[Path]:
    """Return the program's own Python files, in a fixed order."""
    found: list[Path] = []
    for source in _SOURCES:
        path = PROJECT / source
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return found


def sentences() -> dict[str, list[str]]:
    """Return every sentence in the code with the files it stands in."""
    found: dict[str, list[str]] = {}
    for path in source_files():
        name = path.relative_to(PROJECT).as_posix()
        for _, text, _, _ in extract_from_file("python", path, keywords=_KEYWORDS):
            files = found.setdefault(str(text), [])
            if name not in files:
                files.append(name)
    return found


def stored() -> Catalog:
    """Return the catalogue as the `.po` has it; an empty one where there is none."""
    if not PO.exists():
        return Catalog()
    with PO.open("rb") as stream:
        return read_po(stream, locale="zh_CN")


def entries(catalogue: Catalog) -> Iterator[Message]:
    """Yield the sentences of a catalogue, without the header."""
    return (message for message in catalogue if message.id)


def updated(before: Catalog) -> Catalog:
    """Return the catalogue of the sentences in the code, with the translations of `before`."""
    after = _Steady("zh_CN", header_comment=_HEADER, fuzzy=False)
    for text, files in sentences().items():
        known = before.get(text)
        translation = known.string if known is not None else ""
        after.add(text, translation, locations=[(name, 0) for name in files])
    return after


def as_po(catalogue: Catalog) -> bytes:
    """Return the `.po` of a catalogue."""
    stream = BytesIO()
    write_po(stream, catalogue, width=100, sort_by_file=False, include_lineno=False)
    return stream.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    """Return the `.mo` of a catalogue."""
    stream = BytesIO()
    write_mo(stream, catalogue)
    return stream.getvalue()


def main() -> int:
    """Bring both files up to date; returns 1 where translations are missing."""
    catalogue = updated(stored())
    PO.parent.mkdir(parents=True, exist_ok=True)
    PO.write_bytes(as_po(catalogue))
    MO.write_bytes(as_mo(catalogue))
    untranslated = [message.id for message in entries(catalogue) if not message.string]
    for text in untranslated:
        print(f"not translated yet: {text}")  # noqa: T201 - a command for people
    return 1 if untranslated else 0


if __name__ == "__main__":
    sys.exit(main())
