"""Which standard streams the program gives up for the console, decided on Windows itself."""

import json
from pathlib import Path

import pytest

from tests.tools.windows.build import ROOT
from tests.tools.windows.wine import Wine, outcome, windows_path

ASKING = """
import io, json, os, sys
sys.path.insert(0, sys.argv[1])
from ui.console import attach

out = sys.stdout
reading, writing = os.pipe()
streams = {
    "none": None,
    "pipe": open(writing, "w"),
    "pipe that refuses": open(reading, "w"),
    "file": open(sys.argv[2], "w"),
    "nul": open(os.devnull, "w"),
    "no file at all": io.StringIO(),
    "inherited": sys.stderr,
    "closed": open(os.devnull, "w"),
}
os.close(streams["closed"].fileno())
answers = {}
for name, sys.stderr in streams.items():
    answers[name] = attach._is_missing("stderr")
json.dump(answers, out)
out.flush()
os._exit(0)  # not to complain of what was closed behind its back
"""


@pytest.fixture(scope="module")
def given_up(wine: Wine, python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    file = tmp_path_factory.mktemp("streams") / "out.txt"
    arguments = (windows_path(ROOT), windows_path(file))
    out, err = outcome(wine.start(python, "-c", ASKING, *arguments), b"", 60)
    assert out, err
    answers: dict[str, bool] = json.loads(out)
    return answers


def test_what_surely_leads_nowhere_is_given_up(given_up: dict[str, bool]) -> None:
    assert {"none", "closed"} == {name for name, answer in given_up.items() if answer}


def test_a_stream_that_cannot_be_tested_is_kept(given_up: dict[str, bool]) -> None:
    # Whoever wrote its errors to such a one before, wrote them to nobody.
    assert not given_up["pipe that refuses"]
    assert not given_up["no file at all"]
