import inspect
import string
from collections.abc import Iterator

import pytest

from server.errors import base as errors
from server.errors import export as export_errors
from server.errors.base import DingBridgeError, JournalError, Problem, SettingsError, StoreError
from server.errors.message import Message
from server.errors.vendor import RecordError, VendorError
from ui.help.opening import HelpNotShownError


def tree(root: type[DingBridgeError] = DingBridgeError) -> Iterator[type[DingBridgeError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


ALL = list(tree())
# Parts of the tree although in files of their own.
assert export_errors.ExportError in ALL
assert RecordError in ALL
assert HelpNotShownError in ALL


def gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_drawing_shows_the_tree_as_it_is() -> None:
    drawing = (inspect.getdoc(errors) or "").split("\n\n")[1]
    drawn = [line.strip("│├└─ ").split()[0] for line in drawing.splitlines()]
    assert sorted(drawn) == sorted(error.__name__ for error in ALL)


def test_no_two_errors_define_one_code() -> None:
    # A class without a code of its own is the same case as its parent, told in other words.
    codes = [vars(error)["code"] for error in ALL if "code" in vars(error)]
    assert len(set(codes)) == len(codes)
    assert DingBridgeError.code not in [error.code for error in ALL[1:]]


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_tells_what_happened_and_what_to_do(error: type[DingBridgeError]) -> None:
    assert error.title_text
    assert error.hint_text
    assert error.title_text != error.hint_text
    assert inspect.getdoc(error)


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_gap_is_named_in_the_description(error: type[DingBridgeError]) -> None:
    if error is SettingsError or not vars(error).get("title_text"):
        return
    described = inspect.getdoc(error) or ""
    own = gaps(vars(error)["title_text"]) | gaps(vars(error).get("hint_text", ""))
    expected = set() if error in (JournalError, StoreError) else own
    assert {name for name in expected if name not in described} == set()


def test_gaps_are_filled_in_both_sentences() -> None:
    error = errors.FileNewerError(path="/d/settings.json", version=3, supported=1)
    assert str(error) == (
        "The file /d/settings.json was written by a newer version of DingBridge. "
        "Install that version again. This one reads format 1, not 3."
    )


def test_settings_are_named_one_by_one() -> None:
    problems = [Problem("a.b", Message("wrong")), Problem("c", Message("worse"))]
    error = SettingsError(iter(problems))
    assert error.problems == tuple(problems)
    assert str(error.title) == "Some settings are invalid: a.b, c."


def test_only_what_may_succeed_later_is_retried() -> None:
    # A vendor's error decides for itself: it depends on the code that the vendor sent.
    ours = [error for error in ALL if not issubclass(error, VendorError)]
    again = {error.__name__ for error in ours if error.retryable}
    assert again == {
        "JournalError",
        "JournalFullError",
        "JournalBusyError",
        "JournalGoneError",
        "JournalClosedError",
    }
