"""The handbook of either language against the code: what either names, the other has."""

import argparse
import json
import re
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
import requests

import main
from server.api.app import App
from server.api.checks import SelfTestReport, Step, StepState
from server.api.status import (
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
from server.callback.limits import BODY_LIMIT_BYTES
from server.config.paths import DataFolder
from server.config.settings import Language
from server.errors.base import Problem, SettingsError
from server.errors.message import Message
from server.simulator.dingtalk.payloads import CONTACT_EVENTS
from tests.tools.handbook import BOTH, FROM_CODE, HELP, PROJECT, Handbook, rooms
from tests.tools.rendering import anchor, tokens_of
from ui.console import commands, documents
from ui.console.arguments import parser
from ui.pages.catalogue import page_makers
from ui.shell.tray import Switches, tray_state_of
from ui.words.event_words import STATES
from ui.words.health import HEALTH_WORDS, Health, Verdict
from ui.words.text import Texts

_UPDATE = "python -m tests.tools.handbook"
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


either = pytest.mark.parametrize("book", BOTH, ids=["en", "zh"])


@either
@pytest.mark.parametrize("mark", FROM_CODE)
def test_every_setting_verdict_and_error_is_described(book: Handbook, mark: str) -> None:
    assert FROM_CODE[mark](book) == book.table(mark), _UPDATE


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
def test_every_command_and_option_is_described(book: Handbook) -> None:
    documented = {
        re.findall(r"[\w-]+", usage)[0]: set(re.findall(r"--[\w-]+", usage))
        for usage, *_ in book.table("commands")
        if usage.startswith("`")
    }

    assert _options_by_command() == documented


@either
def test_the_exit_codes_are_the_programs(book: Handbook) -> None:
    documented = {int(code) for code, _ in book.table("exits")}

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
    book: Handbook, tmp_path: Path, arguments: list[str], code: int
) -> None:
    words = [word.format(folder=tmp_path) for word in arguments]
    row = next(row for row in book.table("commands") if row[0].startswith(f"`{arguments[0]}"))

    assert main.main(["--data-dir", str(tmp_path), *words]) == code
    assert code == 0 or re.search(rf"\b{code}[:：]", row[2])


@either
def test_every_file_in_the_data_folder_is_explained(book: Handbook, tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    names = {name.strip("`").replace("…", "*") for name, _ in book.table("files")}
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
def test_the_http_answers_are_the_listeners(book: Handbook, tmp_path: Path) -> None:
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
        (others.get(int(status), request), int(status)) for request, status, _ in book.table("http")
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
def test_the_json_documents_have_the_names_shown(book: Handbook, name: str) -> None:
    document = json.loads(documents.dumped(_sample_documents(book.texts)[name]))

    assert _shape(document) == _shape(book.example(name))


@either
def test_the_contact_events_are_listed_for_ticking(book: Handbook) -> None:
    assert set(CONTACT_EVENTS) == {row[0].strip("`") for row in book.table("events")}


@either
def test_what_the_console_says_is_explained(book: Handbook) -> None:
    assert list(CONSOLE_TEXTS) == [row[0] for row in book.table("console")]


@either
def test_the_benchmark_named_exists(book: Handbook) -> None:
    assert BENCHMARK in book.pages["performance"].splitlines()
    assert (PROJECT / "tests/benchmarks/bench_callbacks.py").is_file()


@either
def test_it_says_of_every_room_what_it_is_for_and_names_nothing_that_is_not_there(
    book: Handbook,
) -> None:
    named = set(re.findall(r"`((?:ui|server|tests)/[\w/.-]+)`", book.pages["development"]))

    assert rooms("ui", "server") <= named
    assert [name for name in sorted(named) if not (PROJECT / name).exists()] == []


def _plain(label: str) -> str:
    """Return a label without its Alt letter: `&Save`, `保存(&S)`."""
    return re.sub(r"\(&\w\)|&", "", label)


@either
def test_the_pages_of_the_program_are_named_as_it_names_them(book: Handbook) -> None:
    makers = page_makers(book.texts).values()
    # `[name](page.md)`: each leads to the page that F1 opens there.
    expected = [f"[{_plain(label)}]({make.help_topic}.md)" for label, make in makers]  # type: ignore[attr-defined] # each maker is a class of pages

    assert expected == [row[0] for row in book.table("pages")]


@either
def test_the_tray_is_described_in_its_own_words(book: Handbook) -> None:
    switches = Switches(Language.AUTO, sync=True, autostart=True)
    verdict = Verdict(Health.WORKING, MESSAGE, ())
    menu = [one.label for one in tray_state_of(verdict, switches, book.texts).menu if one.label]
    states = [book.texts(words) for words in HEALTH_WORDS.values()]

    assert [states[1], *(row[0] for row in book.table("tray"))] == menu
    assert [row[0] for row in book.table("states")] == states


@either
def test_the_states_of_events_are_those_of_lists_and_scripts(book: Handbook) -> None:
    expected = [[f"`{name}`", book.texts(words)] for name, words in STATES.items()]

    assert expected == [row[:2] for row in book.table("event-states")]


def _targets(content: str) -> list[str]:
    """Return where the links and pictures of a page lead."""
    inline = [child for token in tokens_of(content) for child in token.children or ()]
    found = [one.attrs.get("href") or one.attrs.get("src") for one in inline]
    return [unquote(str(target)) for target in found if target]


@either
def test_links_lead_to_pages_headings_and_pictures_that_exist(book: Handbook) -> None:
    pages = book.pages
    anchors = {name: _anchors(content) for name, content in pages.items()}
    targets = [(name, target) for name in pages for target in _targets(pages[name])]
    broken = []
    for name, target in targets:
        page, _, place = target.partition("#")
        stem = page.removesuffix(".md")
        if page.startswith("../pictures/"):
            is_good = (book.folder / page).is_file()
        elif stem in pages:
            is_good = not place or place in anchors[stem]
        else:
            is_good = target.startswith("https://") or target[1:] in anchors[name]
        if not is_good:
            broken.append((name, target))

    assert len(targets) > len(pages)
    assert broken == []


def _anchors(content: str) -> set[str]:
    return {
        anchor(text.content)
        for opening, text in pairwise(tokens_of(content))
        if opening.type == "heading_open"
    }


@either
def test_the_index_leads_to_every_page(book: Handbook) -> None:
    listed = [target.removesuffix(".md") for target in _targets(book.pages["index"])]

    assert sorted(listed) == sorted(book.pages.keys() - {"index"})


def _skeleton(content: str) -> list[str]:
    """Return what both languages share: levels of headings, code, lists and tables."""
    shared = []
    for token in tokens_of(content):
        # Words in examples and drawings are translated.
        is_shared_code = token.type == "fence" and token.info != "json" and "─" not in token.content
        shared.append(token.tag + (token.content if is_shared_code else token.info))
    return shared


def test_both_languages_have_the_same_pages_built_alike() -> None:
    english, chinese = (
        {name: _skeleton(content) for name, content in book.pages.items()} for book in BOTH
    )

    assert english == chinese


def test_each_picture_is_small_and_shown_in_its_language() -> None:
    shown = {
        (book.folder / target).resolve()
        for book in BOTH
        for content in book.pages.values()
        for target in _targets(content)
        if target.startswith("../pictures/") and target.endswith(f"-{book.language}.png")
    }
    there = set((HELP / "pictures").glob("*.png"))

    assert shown == there
    assert len(there) == 8
    assert max(one.stat().st_size for one in there) < 60_000
