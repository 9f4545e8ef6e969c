"""The two READMEs: short, alike in both languages, and true."""

import re
from pathlib import Path

import pytest

from tests.tools.handbook import BOTH, PROJECT, Handbook, rooms
from tests.tools.rendering import tokens_of

DEMO = "python -m pip install -r requirements.txt && python main.py demo"
TESTS = "python -m pip install -r requirements-dev.txt && python -m pytest"
TWO_PAGES = 110  # lines
either = pytest.mark.parametrize("book", BOTH, ids=["en", "zh"])


@either
@pytest.mark.parametrize("command", [DEMO, TESTS])
def test_the_two_commands_are_those_that_ci_runs(book: Handbook, command: str) -> None:
    assert command in book.readme.read_text("utf-8").splitlines()
    assert command in (PROJECT / ".ci/run").read_text("utf-8").splitlines()


@either
def test_it_is_short(book: Handbook) -> None:
    assert len(book.readme.read_text("utf-8").splitlines()) <= TWO_PAGES


@either
def test_its_links_lead_to_files_in_its_own_language(book: Handbook) -> None:
    targets = re.findall(r"\]\(([^)]+)\)", book.readme.read_text("utf-8"))
    (other,) = [one for one in BOTH if one is not book]

    assert [one for one in targets if not (PROJECT / one).is_file()] == []
    assert [one for one in targets if f"/{other.folder.name}/" in one] == []
    assert f"ui/help/{book.folder.name}/index.md" in targets
    assert f"ui/help/pictures/overview-{book.language}.png" in targets


@either
def test_it_names_every_room_of_the_server_and_nothing_that_is_not_there(book: Handbook) -> None:
    content = book.readme.read_text("utf-8")
    named = set(
        re.findall(r"`((?:ui|server|crypto|tests)(?:/[\w/.-]+)?|main\.py|\.ci/run)`", content)
    )

    assert {"ui/pages", "crypto", *rooms("server")} <= named
    assert [name for name in sorted(named) if not (PROJECT / name).exists()] == []


def _skeleton(path: Path) -> list[str]:
    return [
        token.tag + (token.content if token.type == "fence" else "")
        for token in tokens_of(path.read_text("utf-8"))
    ]


def test_both_languages_tell_the_same() -> None:
    english, chinese = (_skeleton(book.readme) for book in BOTH)

    assert english == chinese
