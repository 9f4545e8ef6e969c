"""The README of either language against the code: what either names, the other has."""

import argparse
import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import requests

import main
from server.app import App
from server.config.paths import DataFolder
from server.errors import Problem, SettingsError
from server.message import Message
from server.reports import SelfTestReport, Step, StepState
from server.simulator.payloads import CONTACT_EVENTS
from server.status import (
    ChangeView,
    CredentialSetView,
    CredentialsView,
    ErrorView,
    EventCounts,
    EventView,
    HeldView,
    Level,
    Notice,
    RejectionView,
    RunSummary,
    RunView,
    ServiceView,
    Status,
    SubscriptionView,
    SyncState,
    SyncView,
)
from server.web.limits import BODY_LIMIT_BYTES
from tests.readme import CHINESE, ENGLISH, FROM_CODE, PROJECT, Readme
from ui.console import commands, documents
from ui.console.arguments import parser
from ui.words.text import Texts

DEMO = "python -m pip install -r requirements.txt && python main.py demo"
TESTS = "python -m pip install -r requirements-dev.txt && python -m pytest"
BENCHMARK = "python -m tests.benchmarks.bench_callbacks"
# What DingTalk's console shows where an address is refused, and the codes of its interface.
CONSOLE_TEXTS = (
    "HTTP请求结果校验返回字段值失败",
    "timedout",
    "http statusCode is:400",
    "URL地址在安全黑名单中不允许使用",
    *(str(code) for code in range(71006, 71013)),
    "900004 – 900009",
    "900010",
)
VALUES = {"token": "madeUp1", "aes_key": "a1B2c3D4e5F" * 3 + "0123456789", "key": "dingmadeup"}
MESSAGE = Message("made up")
SET = CredentialSetView("a", "b", "c", 1, 2, "d", "e", 3, 4)
REJECTION = RejectionView(
    1, 1, "a", 1, "rejected", "token", None, MESSAGE, MESSAGE, is_settled=True
)
RUN = RunSummary(1, MESSAGE, is_full=True, started_at_ms=1, finished_at_ms=2, status="held")
FAILURE = ErrorView("made-up", MESSAGE, MESSAGE)
CHANGE = ChangeView(
    "update", "person", "1", "a", "b", {"name": ("b", "c")}, "failed", FAILURE, (MESSAGE,)
)


either = pytest.mark.parametrize("readme", [ENGLISH, CHINESE], ids=["en", "zh"])


@either
@pytest.mark.parametrize("mark", FROM_CODE)
def test_every_setting_verdict_and_error_is_described(readme: Readme, mark: str) -> None:
    assert FROM_CODE[mark](readme) == readme.table(mark), "python -m tests.readme"


def _options_by_command() -> dict[str, set[str]]:
    by_name = next(
        a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)
    ).choices
    return {
        name: {
            option
            for action in command._actions
            for option in action.option_strings
            if option.startswith("--") and option not in {"--help", "--data-dir"}
        }
        for name, command in by_name.items()
    }


@either
def test_every_command_and_option_is_described(readme: Readme) -> None:
    documented = {
        re.findall(r"[\w-]+", usage)[0]: set(re.findall(r"--[\w-]+", usage))
        for usage, *_ in readme.table("commands")
        if usage.startswith("`")
    }

    assert _options_by_command() == documented


@either
def test_the_exit_codes_are_the_programs(readme: Readme) -> None:
    documented = {int(code) for code, _ in readme.table("exits")}

    known = {commands.GOOD, commands.FAILED, commands.WRONG, commands.WITH_PROBLEMS}
    assert known == documented


@either
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["configure", "--from", "{folder}/missing.json"], 2),
        (["status"], 0),
        (["events"], 0),
        (["self-test"], 1),
        (["sync"], 2),
        (["subscription"], 2),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else str(value),
)
def test_a_commands_exit_code_is_documented(
    readme: Readme, tmp_path: Path, arguments: list[str], code: int
) -> None:
    words = [word.format(folder=tmp_path) for word in arguments]
    row = next(row for row in readme.table("commands") if row[0].startswith(f"`{arguments[0]}"))

    assert main.main(["--data-dir", str(tmp_path), *words]) == code
    assert code == 0 or re.search(rf"\b{code}[:：]", row[2])


@either
def test_every_file_in_the_data_folder_is_explained(readme: Readme, tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    names = {name.strip("`").replace("…", "*") for name, _ in readme.table("files")}
    app = App(folder)
    app.configure({"callback": VALUES | {"host": "127.0.0.1", "port": 0}})
    app.configure({"callback": {"token": "another1", "previous_grace_hours": 1}})
    app.start()
    try:
        written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    finally:
        assert app.stop() == ()
    declared = {
        path.relative_to(tmp_path).as_posix()
        for name, kind in vars(DataFolder).items()
        if isinstance(kind, property)
        for path in [getattr(folder, name)]
        if path != folder.logs
    }

    assert {f for f in written | declared if not any(fnmatch(f, name) for name in names)} == set()


@either
def test_the_http_answers_are_the_listeners(readme: Readme, tmp_path: Path) -> None:
    app = App(DataFolder(tmp_path))
    app.configure({"callback": VALUES | {"host": "127.0.0.1", "port": 0}})
    address = app.start()
    root = address.removesuffix("/api/callback")
    signed = "?signature=0&timestamp=0&nonce=0"
    try:
        with requests.Session() as session:
            session.trust_env = False
            answered = {
                ("`GET callback.path`", session.get(address).status_code),
                ("`GET /healthz`", session.get(f"{root}/healthz").status_code),
                ("other path", session.get(f"{root}/admin").status_code),
                ("other method", session.put(address).status_code),
                ("`POST callback.path`", session.post(address, data="{}").status_code),
                (
                    "`POST callback.path`",
                    session.post(address + signed, json={"encrypt": "AAAA"}).status_code,
                ),
                (
                    "`POST callback.path`",
                    session.post(address, data=b" " * (BODY_LIMIT_BYTES + 1)).status_code,
                ),
            }
    finally:
        assert app.stop() == ()
    # A genuine callback, a slow request and a full disk have tests of their own.
    elsewhere = {("`POST callback.path`", status) for status in (200, 408, 503)}
    others = {405: "other method", 404: "other path"}
    documented = {
        (others.get(int(status), request), int(status))
        for request, status, _ in readme.table("http")
    }

    assert answered | elsewhere == documented


def _shape(document: object) -> object:
    """Return the names in a document; values, and whether they are null, do not count."""
    if isinstance(document, dict):
        return {name: _shape(value) for name, value in document.items()}
    return [_shape(document[0])] if isinstance(document, list) and document else None


def _sample_documents(texts: Texts) -> dict[str, object]:
    status = Status(
        ServiceView(is_running=True, address="a", pid=1, started_at_ms=1, version="1"),
        CredentialsView(SET, None, None, "active", ()),
        REJECTION,
        EventCounts(),
        SyncView(
            is_enabled=True,
            state=SyncState.HELD,
            last_run=RUN,
            held=HeldView("0", 1, 1, (MESSAGE,)),
        ),
        (Notice("note", Level.INFO, MESSAGE, MESSAGE),),
        subscription=SubscriptionView(
            event_types=("a",), differences=("token",), missing_events=("b",)
        ),
    )
    payload = {"EventType": "user_add_org", "userId": ["1"]}
    event = EventView(1, 1, "user_add_org", "1", "1", "pending", None, payload, 0)
    report = SelfTestReport((Step("check_url.sent", StepState.PASSED, MESSAGE),))
    failure = SettingsError([Problem("callback.port", MESSAGE)])
    return {
        "status": documents.status_document(status, texts),
        "events": [documents.event_document(event)],
        "self-test": documents.self_test_document(report, texts),
        "subscription": documents.subscription_document(
            SubscriptionView(event_types=("a",)), texts, "active", report
        ),
        "sync": documents.sync_document(RunView(RUN, (CHANGE,)), texts),
        "error": documents.error_document(failure, texts),
    }


@either
@pytest.mark.parametrize("name", ["status", "events", "self-test", "subscription", "sync", "error"])
def test_the_json_documents_have_the_names_shown(readme: Readme, name: str) -> None:
    document = json.loads(documents.dumped(_sample_documents(readme.texts)[name]))

    assert _shape(document) == _shape(readme.example(name))


@either
def test_the_contact_events_are_listed_for_ticking(readme: Readme) -> None:
    assert set(CONTACT_EVENTS) == {row[0].strip("`") for row in readme.table("events")}


@either
def test_what_the_console_says_is_explained(readme: Readme) -> None:
    assert list(CONSOLE_TEXTS) == [row[0] for row in readme.table("console")]


@either
@pytest.mark.parametrize("command", [DEMO, TESTS])
def test_the_two_commands_are_those_that_ci_runs(readme: Readme, command: str) -> None:
    assert command in readme.content.splitlines()
    assert command in (PROJECT / ".ci/run").read_text("utf-8").splitlines()


@either
def test_the_benchmark_named_exists(readme: Readme) -> None:
    assert BENCHMARK in readme.content.splitlines()
    assert (PROJECT / "tests/benchmarks/bench_callbacks.py").is_file()


def _anchor(heading: str) -> str:
    """Return the name that a heading gets as the target of links."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.strip().replace(" ", "-")


@either
def test_links_inside_the_project_lead_somewhere(readme: Readme) -> None:
    prose = re.sub(r"```.*?```", "", readme.content, flags=re.DOTALL)
    anchors = {_anchor(title) for title in re.findall(r"^#+ (.*)$", prose, re.MULTILINE)}
    targets = re.findall(r"\]\(([^)]+)\)", prose)
    broken = [
        target
        for target in targets
        if not (
            target[1:] in anchors
            if target.startswith("#")
            else "://" in target or (PROJECT / target).is_file()
        )
    ]

    assert targets
    assert broken == []


def _skeleton(readme: Readme) -> list[str]:
    """Return what both languages share: levels of headings, code, tables and their length."""
    fenced = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    blocks = fenced.findall(readme.content)
    headings = re.findall(r"^(#+) ", fenced.sub("", readme.content), re.MULTILINE)
    marks = re.findall(r"^<!-- ([a-z-]+) -->$", readme.content, re.MULTILINE)
    return [
        *headings,
        # Words in examples and drawings are translated.
        *(language or code for language, code in blocks if "─" not in code),
        *(f"{mark}: {len(readme.table(mark))}" for mark in marks),
    ]


def test_both_languages_tell_the_same() -> None:
    assert _skeleton(ENGLISH) == _skeleton(CHINESE)


@either
def test_four_pictures_are_shown_small_and_in_the_readmes_language(readme: Readme) -> None:
    suffix = "zh-CN" if readme is CHINESE else "en"
    shown = re.findall(r"!\[[^\]]+\]\((ui/assets/pictures/[^)]+)\)", readme.content)
    there = sorted((PROJECT / "ui/assets/pictures").glob(f"*-{suffix}.png"))

    assert sorted(PROJECT / one for one in shown) == there
    assert len(there) == 4
    assert max(one.stat().st_size for one in there) < 60_000
