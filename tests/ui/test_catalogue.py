import ast
import gettext
import re
from collections.abc import Iterator
from string import Formatter

import pytest
from babel.messages.catalog import Message

from tests.tools.catalogue import (
    MO,
    PO,
    as_mo,
    as_po,
    entries,
    sentences,
    source_files,
    stored,
    updated,
)

ENTRIES = list(entries(stored()))
UPDATE = "python -m tests.tools.catalogue"


def _gaps(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def _unmarked(tree: ast.AST) -> Iterator[str]:
    """Yield sentences for people that no extractor sees: literals without N_ around them."""
    for node in ast.walk(tree):
        literal = None
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Message" and node.args:
            literal = node.args[0]
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if ast.unparse(target) in {"title_text", "hint_text"}:
                literal = node.value
        # A literal that is nothing but a gap holds no words.
        if isinstance(literal, ast.Constant) and not str(literal.value).startswith("{"):
            yield str(literal.value)


def test_every_sentence_for_people_is_marked() -> None:
    unmarked = [text for path in source_files() for text in _unmarked(ast.parse(path.read_bytes()))]

    assert unmarked == []


def test_the_catalogue_holds_exactly_the_sentences_of_the_code() -> None:
    assert sorted(sentences()) == sorted(str(entry.id) for entry in ENTRIES)


def test_every_sentence_is_translated() -> None:
    assert [entry.id for entry in ENTRIES if not str(entry.string).strip()] == []


def test_no_translation_is_a_guess() -> None:
    assert [entry.id for entry in ENTRIES if entry.fuzzy] == []


def test_no_translation_of_a_former_sentence_is_left() -> None:
    assert list(stored().obsolete) == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.id)[:60])
def test_a_translation_has_the_gaps_of_its_sentence(entry: Message) -> None:
    assert _gaps(str(entry.id)) == _gaps(str(entry.string))


def test_the_stored_po_is_what_the_command_writes() -> None:
    assert as_po(updated(stored())).decode() == PO.read_text("utf-8"), (
        "python -m tests.tools.catalogue"
    )


def test_the_stored_mo_is_the_compiled_po() -> None:
    assert as_mo(updated(stored())) == MO.read_bytes(), UPDATE


def test_python_reads_the_compiled_catalogue() -> None:
    with MO.open("rb") as stream:
        catalogue = gettext.GNUTranslations(stream)

    assert {entry.id: entry.string for entry in ENTRIES} == {
        entry.id: catalogue.gettext(str(entry.id)) for entry in ENTRIES
    }


def test_writing_it_twice_gives_the_same_bytes() -> None:
    first, second = updated(stored()), updated(stored())

    assert (as_po(first), as_mo(first)) == (as_po(second), as_mo(second))


# What stands before a noun in the plural, and can never be one: the demo's figures are its own,
# the clock is told from five minutes on, and DingTalk's silence from two weeks on.
_NEVER_ONE = (
    "{minutes} minutes ahead",
    "{minutes} minutes behind",
    "from DingTalk for {days} days",
)
_DEMO = "server/demo/"
_COUNTED = re.compile(
    r"\{(?:count|minutes|hours|days|calls|shown|total|people|departments)\} [a-z]+"
)


@pytest.mark.parametrize(
    "entry",
    [one for one in ENTRIES if _COUNTED.search(str(one.id))],
    ids=lambda entry: str(entry.id)[:60],
)
def test_a_sentence_with_a_number_reads_well_with_one(entry: Message) -> None:
    if all(file.startswith(_DEMO) for file, _ in entry.locations):
        return
    counted = _COUNTED.findall(str(entry.id))
    plural = [words for words in counted if words.endswith(("s", "people"))]
    assert plural == [] or any(words in str(entry.id) for words in _NEVER_ONE)
