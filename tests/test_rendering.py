"""The handbook as HTML: up to date, and readable with nothing but the files beside it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.tools.handbook import BOTH, HELP, Handbook, rendered_pages

HTML = sorted((HELP / "html").rglob("*.html"))


@pytest.mark.parametrize("book", BOTH, ids=["en", "zh"])
def test_the_html_is_what_the_markdown_gives(book: Handbook) -> None:
    folder = HELP / "html" / book.folder.name
    stored = {path.stem: path.read_text("utf-8") for path in folder.glob("*.html")}

    assert rendered_pages(book) == stored, "python -m tests.tools.handbook"


class _Reader(HTMLParser):
    """Collects what a page asks a browser to load or to run, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.text = ""
        self.is_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.handlers += [name for name in found if name.startswith("on")]
        self.ids |= {found["id"]} if "id" in found else set()
        if tag == "a":
            self.links.append(found["href"])
        else:
            self.loaded += [found[name] for name in ("src", "href") if name in found]
        self.is_code = self.is_code or tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self.is_code = self.is_code and tag != "code"

    def handle_data(self, data: str) -> None:
        self.text += "" if self.is_code else data


@pytest.mark.parametrize("path", HTML, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_page_as_html_needs_nothing_but_the_files_beside_it(path: Path) -> None:
    reader = _Reader()
    reader.feed(path.read_text("utf-8"))
    links = [one.partition("#") for one in reader.links if not one.startswith("https://")]

    assert {"nav", "main", "h1"} <= reader.tags
    assert not reader.tags & {"script", "iframe", "form", "object"}
    assert reader.handlers == []
    assert [one for one in reader.loaded if not (path.parent / one).is_file()] == []
    assert [one for one, _, _ in links if one and not (path.parent / one).is_file()] == []
    assert [one for page, _, one in links if not page and unquote(one) not in reader.ids] == []
    # Marks that were not understood would be read as text.
    assert [mark for mark in ("**", "](", "<!--", "| ---") if mark in reader.text] == []


def test_the_style_loads_nothing() -> None:
    style = (HELP / "style.css").read_text("utf-8")

    assert "prefers-color-scheme: dark" in style
    assert not re.search(r"url\(|@import", style)
