"""The `sync` command against a DingTalk and a WeCom on loopback, without a service and beside one.

What is asserted is the contract: the document, the exit code, and what WeCom then holds.
"""

import json
import logging
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import main
from server.api.app import App
from server.config.paths import DataFolder
from server.simulator.company import Company
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import LoopbackServer, Reply, Request
from server.simulator.wecom.console import WeComConsole
from server.simulator.wecom.contacts import WeComContacts
from tests.server.simulator.companies import found_department, hire

CHANGE_FIELDS = {
    "action",
    "kind",
    "dingtalk_id",
    "wecom_id",
    "fields",
    "result",
    "error",
    "warning",
}
RUN_FIELDS = {
    "status",
    "digest",
    "snapshot_complete",
    "incomplete_reason",
    "error",
    "changes",
    "warnings",
}


@dataclass(frozen=True)
class Outcome:
    code: int
    document: Any
    err: str

    def results(self) -> list[tuple[str, str, str]]:
        return [(one["action"], one["kind"], one["result"]) for one in self.document["changes"]]


@dataclass(frozen=True)
class Office:
    """A company, both vendors' interfaces, and the data folder that the command works in."""

    company: Company
    dingtalk: DingTalkContacts
    wecom: WeComContacts
    settings: dict[str, Any]
    folder: Path
    capture: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        code = main.main([*words, "--data-dir", str(self.folder)])
        out, err = self.capture.readouterr()
        return code, out, err

    def configure(self, **sync: Any) -> None:
        source = self.folder.with_name("settings-to-merge.json")
        source.write_text(json.dumps({**self.settings, "sync": sync}), encoding="utf-8")
        code, _, err = self.run("configure", "--from", str(source))
        assert (code, err) == (0, "")

    def sync(self, *words: str) -> Outcome:
        code, out, err = self.run("sync", "--json", *words)
        return Outcome(code, json.loads(out), err)

    def hire(self, name: str, mobile: str, *dept_ids: int) -> str:
        return hire(self.company, name, *dept_ids, mobile=mobile).userid

    def members(self) -> dict[str, str]:
        found = self.wecom.directory.snapshot().members.values()
        return {member.name: member.mobile for member in found}


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Office]:
    company = Company()
    dingtalk, wecom = DingTalkContacts(company), WeComContacts()
    with ExitStack() as stack:
        source = stack.enter_context(LoopbackServer(dingtalk.handle))
        target = stack.enter_context(LoopbackServer(wecom.handle))
        settings = {
            "dingtalk": dingtalk.rules.settings(source.address),
            "wecom": wecom.rules.settings(target.address),
            "ui": {"language": "en"},
        }
        made = Office(company, dingtalk, wecom, settings, tmp_path / "data", capsys)
        made.configure(approve_first_run=False)
        yield made


def test_a_new_company_appears_in_wecom_and_a_second_run_writes_nothing(office: Office) -> None:
    sales = found_department(office.company, "销售部")
    li = office.hire("李雷", "13800000001", sales)
    office.hire("韩梅", "13800000002")
    first = office.sync()
    assert first.code == 0, first
    assert first.document.keys() == RUN_FIELDS
    assert all(change.keys() == CHANGE_FIELDS for change in first.document["changes"])
    assert (first.document["status"], first.document["snapshot_complete"]) == ("success", True)
    assert sorted(first.results()) == [
        ("create", "department", "done"),
        ("create", "person", "done"),
        ("create", "person", "done"),
    ]
    assert li in {change["dingtalk_id"] for change in first.document["changes"]}
    assert office.members() == {"李雷": "13800000001", "韩梅": "13800000002"}
    writes = len(office.wecom.writes())
    second = office.sync()
    assert (second.code, second.document["changes"]) == (0, [])
    assert len(office.wecom.writes()) == writes


def test_a_preview_writes_nothing_to_wecom(office: Office) -> None:
    office.hire("李雷", "13800000001")
    preview = office.sync("--preview")
    assert (preview.code, preview.document["status"]) == (0, "preview")
    assert preview.results() == [("create", "person", "planned")]
    assert office.wecom.writes() == ()
    assert office.sync().results() == [("create", "person", "done")]


def test_the_first_run_waits_for_exactly_its_digest(office: Office) -> None:
    office.configure(approve_first_run=True)
    office.hire("李雷", "13800000001")
    held = office.sync()
    assert (held.code, held.document["status"]) == (1, "held")
    assert held.results() == [("create", "person", "held")]
    refused = office.sync("--allow", "0000000000000000")
    assert (refused.code, refused.document["status"]) == (1, "refused")
    assert office.wecom.writes() == ()
    allowed = office.sync("--allow", held.document["digest"])
    assert (allowed.code, allowed.document["status"]) == (0, "success")
    assert allowed.document["digest"] is None
    assert office.members() == {"李雷": "13800000001"}


def test_too_many_leavers_are_held_and_the_rest_goes_on(office: Office) -> None:
    people = [office.hire(f"人{number}", f"1380000000{number}") for number in range(9)]
    assert office.sync().code == 0
    for userid in people[:2]:
        office.company.leave(userid)
    office.hire("新人", "13900000000")
    held = office.sync()
    assert (held.code, held.document["status"]) == (1, "held")
    assert sorted(held.results()) == [
        ("create", "person", "done"),
        ("disable", "person", "held"),
        ("disable", "person", "held"),
    ]
    code, out, _ = office.run("status")
    assert code == 0
    assert held.document["digest"] in out
    allowed = office.sync("--allow", held.document["digest"])
    assert allowed.code == 0
    assert allowed.results() == [("disable", "person", "done")] * 2


def test_what_is_held_can_be_rejected_by_its_digest_only(office: Office) -> None:
    people = [office.hire(f"人{number}", f"1380000000{number}") for number in range(9)]
    office.sync()
    for userid in people[:2]:
        office.company.leave(userid)
    digest = office.sync().document["digest"]
    writes = len(office.wecom.writes())
    refused = office.sync("--reject", "0000000000000000")
    assert (refused.code, refused.document["status"]) == (1, "refused")
    assert (refused.document["digest"], refused.document["changes"]) == (digest, [])
    rejected = office.sync("--reject", digest)
    assert (rejected.code, rejected.document["status"]) == (0, "rejected")
    assert rejected.document.keys() == RUN_FIELDS
    assert rejected.results() == [("disable", "person", "held")] * 2
    status = json.loads(office.run("status", "--json")[1])
    assert status["sync"]["held"]["rejected"] is True
    assert "sync-held" not in {notice["code"] for notice in status["notices"]}
    assert f"Rejected by you: {digest}" in office.run("status")[1]
    assert office.sync().document["digest"] == digest
    again = json.loads(office.run("status", "--json")[1])
    assert again["sync"]["held"]["rejected"] is True
    assert len(office.wecom.writes()) == writes
    assert office.sync("--allow", digest).code == 0


def test_a_rejection_is_told_in_words(office: Office) -> None:
    office.configure(approve_first_run=True)
    office.hire("李雷", "13800000001")
    digest = office.sync().document["digest"]
    code, out, _ = office.run("sync", "--reject", "0000")
    assert code == 1
    assert out.splitlines() == [
        "Refused: this is not the digest of the list awaiting approval. Nothing was decided.",
        f"List awaiting approval now: {digest}",
    ]
    code, out, _ = office.run("sync", "--reject", digest)
    assert code == 0
    assert out.startswith("Rejected: ")
    assert f"sync --allow {digest}" in out


def test_with_nothing_held_a_rejection_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main.main(["sync", "--reject", "d", "--json", "--data-dir", str(tmp_path / "data")])
    assert (code, json.loads(capsys.readouterr().out)["status"]) == (1, "refused")
    assert not (tmp_path / "data").exists()


def test_a_conflict_is_listed_and_ends_with_3(office: Office) -> None:
    office.configure(approve_first_run=False, protected_wecom_userids=["boss"])
    WeComConsole(office.wecom.directory).add_member("boss", "老板", mobile="13800000001")
    office.hire("李雷", "13800000001")
    office.hire("韩梅", "13800000002")
    outcome = office.sync()
    assert (outcome.code, outcome.document["status"]) == (3, "partial")
    (conflict,) = [one for one in outcome.document["changes"] if one["action"] == "conflict"]
    assert conflict["error"].keys() == {"code", "title", "hint"}
    assert office.members() == {"老板": "13800000001", "韩梅": "13800000002"}


def test_a_wrong_secret_fails_with_cause_and_remedy(office: Office) -> None:
    office.settings["wecom"]["contact_secret"] = "made-up-and-wrong"
    office.configure(approve_first_run=False)
    office.hire("李雷", "13800000001")
    outcome = office.sync()
    assert (outcome.code, outcome.document["status"]) == (1, "failed")
    assert outcome.document["error"].keys() == {"code", "title", "hint"}
    assert "made-up-and-wrong" not in json.dumps(outcome.document) + outcome.err
    code, out, _ = office.run("status", "--json")
    assert code == 0
    assert json.loads(out)["sync"]["state"] in {"failed", "quarantined"}


@pytest.fixture
def service(office: Office) -> Iterator[App]:
    """The service in this process; commands find it by its lock, as from any other."""
    office.settings["callback"] = {
        "host": "127.0.0.1",
        "port": 0,
        "token": "madeuptoken",
        "aes_key": "a" * 43,
        "key": "dingmadeupkey",
    }
    office.configure(approve_first_run=False)
    app = App(DataFolder(office.folder))
    app.start()
    yield app
    assert app.stop(20) == ()


def test_a_running_service_does_it_and_the_command_reports(
    office: Office, service: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server.sync.engine")
    office.hire("李雷", "13800000001")
    preview = office.sync("--preview")
    assert preview.results() == [("create", "person", "planned")]
    assert office.wecom.writes() == ()
    done = office.sync()
    assert (done.code, done.document["status"]) == (0, "success")
    assert office.members() == {"李雷": "13800000001"}
    refused = office.sync("--allow", "0000000000000000")
    assert (refused.code, refused.document["status"]) == (1, "refused")
    assert {record.threadName for record in caplog.records} == {"dingbridge-sync"}
    summaries = service.mirror.runs()
    assert [run.status for run in summaries] == ["refused", "success", "preview"]


def test_ctrl_c_ends_a_run_in_good_order_and_the_next_goes_on(office: Office) -> None:
    for number in range(5):
        office.hire(f"人{number}", f"1380000000{number}")
    answer, was_pressed = office.wecom.handle, Event()

    def interrupted(request: Request) -> Reply:
        reply = answer(request)
        if len(office.wecom.writes()) == 2 and not was_pressed.is_set():
            was_pressed.set()
            signal.raise_signal(signal.SIGINT)
        return reply

    with LoopbackServer(interrupted) as target:
        office.settings["wecom"]["api_base"] = target.address
        office.configure(approve_first_run=False)
        outcome = office.sync()
        assert (outcome.code, outcome.document["status"]) == (1, "failed")
        assert outcome.document["error"]["code"] == "sync-stopped"
        assert 2 <= len(office.members()) < 5
        again = office.sync()
    assert (again.code, again.document["status"]) == (0, "success")
    assert len(office.members()) == 5


def test_without_the_accounts_the_settings_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main.main(["sync", "--json", "--data-dir", str(tmp_path / "data")])
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (code, document["status"], document["changes"]) == (2, "failed", [])
    assert "wecom.contact_secret" in document["error"]["title"]
    assert "wecom.contact_secret" in err
    assert not (tmp_path / "data").exists()


def test_a_preview_that_approves_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["sync", "--preview", "--allow", "d"]) == 2
    assert "not allowed with" in capsys.readouterr().err


def test_people_read_what_was_done_and_how_it_ended(office: Office) -> None:
    office.hire("李雷", "13800000001")
    code, out, err = office.run("sync")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("ok    create the member 李雷")
    assert lines[-1] == "The sync succeeded. Changes made: 1."
    assert err.startswith("Syncing.")
