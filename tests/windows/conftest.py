"""The Windows program is built on Debian and driven under Wine: in CI, and where it is asked for.

Otherwise these tests are not collected: they install Debian packages and take minutes.
"""

import os
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tools.windows.assemble import ensure_python
from tests.tools.windows.build import ensure_built
from tests.tools.windows.desktop import a_screen, picture_of
from tests.tools.windows.evidence import gathered
from tests.tools.windows.program import SETTINGS, Program
from tests.tools.windows.wine import Wine, ensure_wine

_HERE = Path(__file__).parent
_IS_WANTED = os.environ.get("CI") == "true" or os.environ.get("DINGBRIDGE_WINDOWS") == "1"
_PICTURES = _HERE.parents[1] / "screenshots" / "failed"
_LIMIT_S = 300
_ONE_FILE, _FOLDER = "DingBridge.exe", "DingBridge-portable/DingBridge.exe"

collect_ignore_glob = [] if _IS_WANTED else ["test_*.py"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what can be seen of a failure: pictures of the screens, programs, logs."""
    report = yield
    if report.failed and report.when == "call" and _HERE in item.path.parents:
        used = getattr(item, "funcargs", {})
        report.sections += gathered(used.get("tmp_path"))
        _keep_pictures(re.sub(r"\W+", "-", item.name), used)
    return report


def _keep_pictures(name: str, used: Mapping[str, Any]) -> None:
    """Keep the screens: the desktop's, and that of programs that were to draw nothing."""
    screens = {"desktop": used["office"].desktop.screen} if "office" in used else {}
    if "wine" in used:
        screens["screen"] = used["wine"].display
    _PICTURES.mkdir(parents=True, exist_ok=True)
    for kind, screen in screens.items():
        picture_of(screen).save(_PICTURES / f"{name}-{kind}.png")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            # Without fixtures: of them the first waits for downloads and for the build, which
            # have limits of their own.
            item.add_marker(pytest.mark.timeout(_LIMIT_S, func_only=True))
            item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _IS_WANTED:
        terminalreporter.write_line(
            "tests/windows was left out: it builds the Windows program on Debian and drives it "
            "under Wine, for minutes. Set DINGBRIDGE_WINDOWS=1 for it; CI=true includes it."
        )


@pytest.fixture(scope="session")
def python() -> Path:
    """The Windows Python, for questions that only Windows' own programs can answer."""
    return ensure_python() / "python.exe"


@pytest.fixture(scope="session")
def built(python: Path) -> Path:
    """The folder with both programs."""
    assert python.exists()
    return ensure_built()


@pytest.fixture(scope="session")
def wine(built: Path) -> Iterator[Wine]:
    """Wine, which stays awake between two tests: its start takes longer than the program's.

    With a screen of its own; what Windows draws stays off that of whoever runs the tests.
    """
    assert built.exists()
    with a_screen("1024x700") as display:
        wine = replace(ensure_wine(), display=display)
        with wine.running():
            yield wine


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that is still to be made, in a path such as Chinese users have."""
    return tmp_path / "张 三" / "数据 文件夹"


@pytest.fixture(params=[_ONE_FILE, _FOLDER])
def either(
    request: pytest.FixtureRequest, wine: Wine, built: Path, data: Path
) -> Iterator[Program]:
    """Each of the two programs, without settings."""
    program = Program(wine, built / str(request.param), data)
    yield program
    program.end()


@pytest.fixture
def fresh(wine: Wine, built: Path, data: Path) -> Iterator[Program]:
    """The program as a folder, which starts in a fraction of the time; without settings."""
    program = Program(wine, built / _FOLDER, data)
    yield program
    program.end()


@pytest.fixture
def program(fresh: Program) -> Program:
    """The program as a folder, with settings."""
    assert fresh.configure(SETTINGS).code == 0
    return fresh


@pytest.fixture
def one_file(wine: Wine, built: Path, data: Path) -> Iterator[Program]:
    """The one-file program, with settings, for what it does in a way of its own."""
    program = Program(wine, built / _ONE_FILE, data)
    assert program.configure(SETTINGS).code == 0
    yield program
    program.end()
