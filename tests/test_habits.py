"""What runs elsewhere: the workflow on a real Windows, and the checks before each commit."""

import re
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from tests.tools.handbook import BOTH, PROJECT, Handbook

WORKFLOW = PROJECT / ".github/workflows/windows.yml"
HOOKS = PROJECT / ".pre-commit-config.yaml"
CI = (PROJECT / ".ci/run").read_text("utf-8").splitlines()
# Every tool that CI runs over the sources; another one belongs to the hooks as well.
_CHECKERS = ("ruff ", "mypy ")


@pytest.mark.parametrize(
    "check",
    [
        ("check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)),
        ("pre_commit", "validate-config", str(HOOKS)),
    ],
    ids=["workflow", "hooks"],
)
def test_it_has_the_form_that_its_reader_expects(check: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *check], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_commit_is_checked_by_what_ci_runs() -> None:
    (local,) = YAML(typ="safe").load(HOOKS)["repos"]

    assert [hook["entry"] for hook in local["hooks"]] == [
        line for line in CI if line.startswith(_CHECKERS)
    ]


def _steps() -> dict[str, str]:
    """Return what each named step of the workflow runs."""
    jobs = YAML(typ="safe").load(WORKFLOW)["jobs"].values()
    return {s["name"]: s["run"] for job in jobs for s in job["steps"] if "run" in s}


@pytest.mark.parametrize("book", BOTH, ids=["en", "zh"])
def test_the_workflow_builds_as_the_handbook_says(book: Handbook) -> None:
    told = re.findall(r"^python -m .*$", book.pages["development"], re.MULTILINE)
    built = [line for line in _steps()["Build"].splitlines() if line.startswith("python -m ")]

    assert built[1:] == told  # the first makes the environment, which the handbook has `py` make


def test_the_workflow_tests_and_publishes_what_it_built() -> None:
    steps = _steps()
    files = {"DingBridge.exe", "DingBridge-portable.zip"}

    assert "python -m pytest tests/native" in steps["The built programs work"].splitlines()
    assert files <= set(steps["Checksums"].split())
    assert {*files, "SHA256SUMS", "--draft"} <= set(steps["Draft the release"].split())


def test_each_path_in_the_workflow_exists() -> None:
    named = re.findall(
        r"(?:-r |pytest |main\.py|build\.spec|tests/)[\w./-]*", "\n".join(_steps().values())
    )

    paths = {name.removeprefix("-r ").removeprefix("pytest ") for name in named}
    assert {"tests/native", "build.spec", "main.py", "requirements-build.txt"} <= paths
    assert [path for path in sorted(paths) if not (PROJECT / path).exists()] == []
