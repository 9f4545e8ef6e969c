"""Where the variable CI is "true", a skipped test is a failed one.

A test that is skipped on the machine that has everything it needs guards nothing, and nobody
would notice. What can only run elsewhere says so by not being collected.
"""

import os
from collections.abc import Generator

import pytest

_IS_CI = os.environ.get("CI") == "true"


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not _IS_CI or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"not accepted in CI: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail tests that skip themselves."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail modules that are skipped as a whole."""
    report = yield
    _refuse_skip(report)
    return report
