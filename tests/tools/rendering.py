"""Turns a page of the handbook into HTML that needs no network, no script and no server."""

from html import escape
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
# What a page calls itself, the handbook and the other language, by folder.
_LANGUAGES = {"en": "en", "zh_CN": "zh-CN"}
_NAMES = {"en": "English", "zh_CN": "简体中文"}
_TITLES = {"en": "DingBridge handbook", "zh_CN": "钉桥手册"}
_PAGE = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="../../style.css">
</head>
<body>
<nav><a href="index.html">{handbook}</a><a href="../{other}/{name}.html" lang="{other_language}">\
{other_name}</a></nav>
<main>
{body}</main>
</body>
</html>
"""


def tokens_of(markdown: str) -> list[Token]:
    """Return a page's tokens. The comments that mark its tables are left out."""
    lines = (line for line in markdown.splitlines() if not line.startswith("<!-- "))
    return _PARSER.parse("\n".join(lines))


def rendered(markdown: str, name: str, folder: str, other: str) -> str:
    """Return a page as HTML; `folder` is its language's, `other` the other language's."""
    tokens = tokens_of(markdown)
    for opening, text in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor(text.content))
    for token in tokens:
        for child in token.children or ():
            _point_to_html(child)
    title = next(text.content for one, text in pairwise(tokens) if one.type == "heading_open")
    handbook = _TITLES[folder]
    return _PAGE.format(
        language=_LANGUAGES[folder],
        title=escape(title if title == handbook else f"{title} – {handbook}"),
        handbook=handbook,
        other=other,
        other_language=_LANGUAGES[other],
        other_name=_NAMES[other],
        name=name,
        body=_PARSER.renderer.render(tokens, _PARSER.options, {}),
    )


def anchor(heading: str) -> str:
    """Return the name that a heading gets as the target of links, as code hosts make it."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.strip().replace(" ", "-")


def _point_to_html(token: Token) -> None:
    """Have a link lead to the rendered page, and a picture be found from one folder deeper."""
    if token.type == "image":
        token.attrSet("src", f"../{token.attrs['src']}")
    target = str(token.attrs.get("href", ""))
    if token.type == "link_open" and "://" not in target:
        page, hash_sign, place = target.partition("#")
        token.attrSet("href", page.replace(".md", ".html") + hash_sign + place)
