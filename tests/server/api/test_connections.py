"""Both accounts tried over real sockets, against vendors that refuse in every way they know."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from server.api.checks import SelfTestReport, Step, StepState
from server.api.connections import Connections, Vendor
from server.config.paths import DataFolder
from server.config.store import ConfigStore
from server.errors.base import SettingsError
from server.rest.retry import RetryPolicy
from server.rest.session import Limits
from server.simulator.company import Company
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.dingtalk.records import Sight
from server.simulator.httpd import LoopbackServer, Reply
from server.simulator.wecom.contacts import WeComContacts
from tests.server.clocks import SteadyClock
from tests.server.simulator.companies import found_department
from tests.server.simulator.faults import DINGTALK_ANSWERS, WECOM_ANSWERS, Fault, FaultPlan, Rule
from tests.waiting import until

DINGTALK, WECOM = Vendor.DINGTALK, Vendor.WECOM


@dataclass
class Office:
    """A data folder, and both vendors as its settings name them."""

    store: ConfigStore
    connections: Connections
    company: Company
    dingtalk: DingTalkContacts
    wecom: WeComContacts
    faults: dict[Vendor, FaultPlan]
    clock: SteadyClock

    def test(self, vendor: Vendor, **changes: Any) -> SelfTestReport:
        return self.connections.test(vendor, changes, Event(), lambda _: None)

    def failure(self, vendor: Vendor, **changes: Any) -> Step:
        report = self.test(vendor, **changes)
        failed = [step for step in report.steps if step.state is StepState.FAILED]
        assert failed == [report.steps[-1]], "nothing is tried after what failed"
        return failed[0]

    def logins(self, vendor: Vendor) -> int:
        side = self.dingtalk if vendor is DINGTALK else self.wecom
        return len(side.log.calls("gettoken"))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    company = Company()
    company.hire(company.draft("张三", (1,), mobile="13800000001", email="zhang@example.com"))
    dingtalk = DingTalkContacts(company, calls_per_second=None)
    wecom = WeComContacts(calls_per_minute=None, calls_per_hour=None)
    faults = {
        DINGTALK: FaultPlan(1, DINGTALK_ANSWERS, dingtalk.tokens.revoke),
        WECOM: FaultPlan(2, WECOM_ANSWERS, wecom.tokens.revoke),
    }
    store, clock = ConfigStore(DataFolder(tmp_path)), SteadyClock()
    with (
        LoopbackServer(faults[DINGTALK].wrap(dingtalk.handle)) as source,
        LoopbackServer(faults[WECOM].wrap(wecom.handle)) as target,
    ):
        store.merge(
            {
                "dingtalk": dingtalk.rules.settings(source.address),
                "wecom": wecom.rules.settings(target.address),
            }
        )
        policy = RetryPolicy(longest_wait_s=5.0, patience=0.001)
        connections = Connections(store, clock, policy, Limits(5, 10, 20))
        yield Office(store, connections, company, dingtalk, wecom, faults, clock)
        for plan in faults.values():
            plan.switch_off()


def _said(step: Step) -> str:
    return f"{step.title} {step.hint}"


@pytest.mark.parametrize(
    ("vendor", "names"),
    [
        (DINGTALK, ["values", "token", "departments", "people", "person", "fields"]),
        (WECOM, ["values", "token", "departments", "target", "members", "writing"]),
    ],
)
def test_a_good_account_passes_step_by_step(
    office: Office, vendor: Vendor, names: list[str]
) -> None:
    told: list[Step] = []
    report = office.connections.test(vendor, {}, Event(), told.append)

    assert report.is_passed
    assert [step.name for step in report.steps] == [f"{vendor}.{name}" for name in names]
    assert told == list(report.steps)


def test_nothing_is_written(office: Office) -> None:
    office.test(WECOM)

    assert office.wecom.writes() == ()
    assert {one.path.rpartition("/")[2] for one in office.wecom.log.calls()} == {
        *("gettoken", "simplelist", "list_id")
    }


def test_values_are_tried_as_typed_and_not_saved(office: Office) -> None:
    before = office.store.load()

    failed = office.failure(WECOM, wecom={"contact_secret": "typed-and-wrong"})
    assert failed.name == "wecom.token"
    assert "typed-and-wrong" not in _said(failed)
    assert office.store.load() == before
    assert office.test(WECOM).is_passed


def test_typed_values_that_cannot_be_used_are_named(office: Office) -> None:
    with pytest.raises(SettingsError) as caught:
        office.test(DINGTALK, dingtalk={"app_key": 7})
    assert [problem.name for problem in caught.value.problems] == ["dingtalk.app_key"]
    assert office.logins(DINGTALK) == 0


@pytest.mark.parametrize(
    ("vendor", "name"), [(DINGTALK, "dingtalk.app_secret"), (WECOM, "wecom.contact_secret")]
)
def test_what_is_not_entered_is_named_and_nothing_called(
    tmp_path: Path, vendor: Vendor, name: str
) -> None:
    store = ConfigStore(DataFolder(tmp_path))
    report = Connections(store).test(vendor, {}, Event(), lambda _: None)

    (step,) = report.steps
    assert step.state is StepState.FAILED
    assert name in str(step.title)


@pytest.mark.parametrize(
    ("vendor", "changes", "code"),
    [
        (DINGTALK, {"dingtalk": {"app_secret": "wrong"}}, "40089"),
        (DINGTALK, {"dingtalk": {"app_key": "dingwrong"}}, "40089"),
        (WECOM, {"wecom": {"contact_secret": "wrong"}}, "40001"),
        (WECOM, {"wecom": {"corp_id": "wwwrong"}}, "40013"),
    ],
)
def test_a_wrong_secret_is_named_and_not_tried_in_a_loop(
    office: Office, vendor: Vendor, changes: dict[str, Any], code: str
) -> None:
    for _ in range(5):
        failed = office.failure(vendor, **changes)
        assert failed.name == f"{vendor}.token"
        assert code in str(failed.title)
    assert office.logins(vendor) == 1

    assert office.test(vendor).is_passed, "other values are tried at once"
    office.failure(vendor, **changes)
    office.clock.now_s += 61
    office.failure(vendor, **changes)
    assert office.logins(vendor) == 3


def test_a_secret_that_became_right_is_believed_after_a_minute(office: Office) -> None:
    typed = {"wecom": {"contact_secret": "reset-a-moment-ago"}}
    office.failure(WECOM, **typed)
    office.wecom.rules.contact_secret = "reset-a-moment-ago"
    office.clock.now_s += 61

    assert office.test(WECOM, **typed).is_passed


def test_an_address_that_is_not_trusted_is_named_for_copying(office: Office) -> None:
    office.wecom.rules.is_ip_trusted = False
    failed = office.failure(WECOM)

    # gettoken takes any address: only a call of business tells.
    assert failed.name == "wecom.departments"
    assert office.wecom.rules.caller_ip in _said(failed)

    office.dingtalk.rules.is_ip_trusted = False
    assert "60020" in str(office.failure(DINGTALK).title)


def _wecom_answers(errcode: int, text: str = "") -> Reply:
    return Reply.of_json({"errcode": errcode, "errmsg": text})


@pytest.mark.parametrize(
    ("path", "errcode", "step", "hint"),
    [
        ("simplelist", 48009, "wecom.departments", "通讯录同步"),
        ("simplelist", 48002, "wecom.departments", "API编辑通讯录"),
        ("simplelist", 60011, "wecom.departments", "API编辑通讯录"),
        ("list_id", 48002, "wecom.members", "API编辑通讯录"),
        ("list_id", 48009, "wecom.members", "the secret of an app does not work"),
        ("gettoken", 45031, "wecom.token", "Reset"),
        ("simplelist", 45009, "wecom.departments", ""),
        ("simplelist", 50003, "wecom.departments", ""),
        ("simplelist", 987654, "wecom.departments", ""),
    ],
)
def test_what_wecom_refuses_comes_with_its_remedy(
    office: Office, path: str, errcode: int, step: str, hint: str
) -> None:
    answer = _wecom_answers(errcode, "made up")
    office.faults[WECOM].add(Rule(Fault.ANSWERED, path, answer=answer))

    failed = office.failure(WECOM)
    assert failed.name == step
    assert str(errcode) in str(failed.title) or errcode == 45009
    assert hint in str(failed.hint)


def test_a_department_for_the_mirror_that_is_not_there_is_named(office: Office) -> None:
    failed = office.failure(WECOM, sync={"target_department_id": 77})

    assert failed.name == "wecom.target"
    assert "77" in str(failed.title)


@pytest.mark.parametrize(
    ("permission", "step"),
    [
        ("qyapi_get_department_list", "dingtalk.departments"),
        ("qyapi_get_department_member", "dingtalk.people"),
        ("qyapi_get_member", "dingtalk.person"),
    ],
)
def test_a_missing_permission_is_found_by_the_call_that_needs_it(
    office: Office, permission: str, step: str
) -> None:
    office.dingtalk.rules.missing_permissions = frozenset({permission})
    failed = office.failure(DINGTALK)

    assert failed.name == step
    assert permission in str(failed.hint)


def test_certificates_that_are_not_there_are_a_remark(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))

    for vendor in (DINGTALK, WECOM):
        report = office.test(vendor)
        (remark,) = [step for step in report.steps if step.name.endswith(".environment")]
        assert report.is_passed
        assert remark.state is StepState.NOTE
        assert "REQUESTS_CA_BUNDLE" in str(remark.title)
        assert "gone.pem" in str(remark.title)


def test_a_department_out_of_scope_or_gone_is_named(office: Office) -> None:
    outside = found_department(office.company)
    office.dingtalk.rules.scope_departments = frozenset({outside})
    refused = office.failure(DINGTALK)
    assert "50004" in str(refused.title)
    assert str(outside) in str(refused.hint)
    assert "sync.source_department_ids" in str(refused.hint)
    failed = office.failure(DINGTALK, sync={"source_department_ids": [outside, 998877]})
    assert failed.name == "dingtalk.departments"
    office.company.hire(office.company.draft("李四", (outside,), mobile="13800000002"))
    report = office.test(DINGTALK, sync={"source_department_ids": [outside]})
    assert report.is_passed
    assert "研发部" in str(report.steps[2].title)


@pytest.mark.parametrize(
    ("sight", "state"),
    [
        (Sight(mobiles=True, emails=False), StepState.PASSED),
        (Sight(mobiles=False, emails=True), StepState.NOTE),
        (Sight(mobiles=False, emails=False), StepState.FAILED),
    ],
)
def test_a_field_without_permission_is_found_out(
    office: Office, sight: Sight, state: StepState
) -> None:
    office.dingtalk.rules.sight = sight
    last = office.test(DINGTALK).steps[-1]

    assert (last.name, last.state) == ("dingtalk.fields", state)
    assert state is StepState.PASSED or "企业员工手机号信息" in str(last.hint)


def test_people_are_looked_for_further_down(office: Office) -> None:
    company = Company()
    upper = found_department(company, "总部")
    lower = found_department(company, "财务部", upper)
    company.hire(company.draft("王五", (lower,), mobile="13800000003"))
    office.dingtalk.company = company

    assert office.test(DINGTALK).steps[-1].name == "dingtalk.fields"


def test_a_company_of_nobody_is_a_note(office: Office) -> None:
    office.dingtalk.company = Company()
    report = office.test(DINGTALK)

    assert report.is_passed
    assert [step.name for step in report.steps][-1] == "dingtalk.nobody"


PASSING = (
    *(Fault.BUSY, Fault.LATE_BUSY, Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.LATE_BAD_GATEWAY),
    *(Fault.DROPPED, Fault.LATE_DROPPED, Fault.TOKEN_ENDED, Fault.SLOW),
)


@pytest.mark.parametrize("vendor", Vendor)
@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_by_itself_is_waited_for(office: Office, vendor: Vendor, fault: Fault) -> None:
    for path in ("gettoken", "simplelist", "list_id", "department/get", "user/get"):
        if fault is not Fault.TOKEN_ENDED or path != "gettoken":
            office.faults[vendor].add(Rule(fault, path, times=1))

    assert office.test(vendor).is_passed


@pytest.mark.parametrize("vendor", Vendor)
@pytest.mark.parametrize("path", ["gettoken", "simplelist", "department/get"])
@pytest.mark.parametrize(
    "fault",
    [one for one in Fault if one not in {Fault.SLOW, Fault.TOKEN_ENDED, Fault.ANSWERED}],
)
def test_what_does_not_pass_fails_the_step_in_words(
    office: Office, vendor: Vendor, path: str, fault: Fault
) -> None:
    if (vendor is DINGTALK) == (path == "simplelist"):
        return  # not a call of this vendor
    office.faults[vendor].add(Rule(fault, path))

    failed = office.failure(vendor)
    assert failed.hint is not None
    assert office.wecom.rules.contact_secret not in _said(failed)
    assert office.dingtalk.rules.app_secret not in _said(failed)


@pytest.mark.parametrize("vendor", Vendor)
def test_a_vendor_that_cannot_be_reached_fails_in_words(office: Office, vendor: Vendor) -> None:
    failed = office.failure(vendor, **{vendor: {"api_base": "http://127.0.0.1:9"}})

    assert failed.name == f"{vendor}.token"


def _stopped_at(step: str, office: Office, vendor: Vendor) -> SelfTestReport:
    stop = Event()

    def told(done: Step) -> None:
        if done.name == step:
            stop.set()

    return office.connections.test(vendor, {}, stop, told)


@pytest.mark.parametrize(
    ("vendor", "step", "path"),
    [(DINGTALK, "dingtalk.token", "department/get"), (WECOM, "wecom.token", "simplelist")],
)
def test_once_given_up_no_further_call_is_made(
    office: Office, vendor: Vendor, step: str, path: str
) -> None:
    report = _stopped_at(step, office, vendor)

    assert report.steps[-1].name == step
    side = office.dingtalk if vendor is DINGTALK else office.wecom
    assert side.log.calls(path) == ()


def test_giving_up_ends_a_wait_at_once(office: Office) -> None:
    patient = Connections(
        office.store, office.clock, RetryPolicy(patience=1000, longest_wait_s=9000)
    )
    office.faults[WECOM].add(Rule(Fault.BUSY, "simplelist"))
    stop, told = Event(), list[Step]()
    waiting = threading.Thread(target=lambda: patient.test(WECOM, {}, stop, told.append))
    waiting.start()
    until(lambda: office.faults[WECOM].injected)

    stop.set()
    waiting.join(20)
    assert not waiting.is_alive()
    assert [step.name for step in told] == ["wecom.values", "wecom.token"]
