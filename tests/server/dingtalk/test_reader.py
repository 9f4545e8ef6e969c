from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crypto.secret import Secret
from server.dingtalk import reader as reader_module
from server.dingtalk import walk
from server.dingtalk.client import DingTalkClient, connect
from server.dingtalk.reader import Outcome, Reader
from server.dingtalk.walk import FAILURES_TO_GIVE_UP, Gap, Reading, Walk
from server.dingtalk.wire import DingTalkDepartment
from server.errors.vendor import (
    CallCancelledError,
    CredentialsRejectedError,
    VendorBlockedError,
    VendorError,
)
from tests.server.rest.loopback import (
    OK,
    FakeTime,
    Reply,
    Request,
    Vendor,
    surroundings,
)

USER_GET = "topapi/v2/user/get"
USER_LIST = "topapi/v2/user/list"
DEPARTMENT_GET = "topapi/v2/department/get"
LISTSUB = "topapi/v2/department/listsub"
# 1 ─┬─ 2 ─── 4
#    └─ 3 (nobody)
TREE = {1: [2, 3], 2: [4], 3: [], 4: []}
PEOPLE: Mapping[int, Sequence[str]] = {1: ["boss"], 2: ["anna", "ben"], 4: ["carl", "anna"]}
Faults = Mapping[tuple[str, int | str], Any]


class Company:
    """Answers like DingTalk for a small tree; `faults` replace the answer to (path, id)."""

    def __init__(self, vendor: Vendor, faults: Faults | None = None, page_size: int = 100) -> None:
        self._faults = dict(faults or {})
        self._page_size = page_size
        vendor.answer(USER_GET, self._user)
        vendor.answer(USER_LIST, self._users)
        vendor.answer(DEPARTMENT_GET, self._department)
        vendor.answer(LISTSUB, self._children)

    def _fault(self, request: Request, asked: int | str) -> Any:
        return self._faults.get((request.path, asked))

    def _user(self, request: Request) -> Any:
        userid = request.body["userid"]
        found = {**OK, "result": {"userid": userid, "manager_userid": "boss"}}
        return self._fault(request, userid) or found

    def _users(self, request: Request) -> Any:
        asked, cursor = request.body["dept_id"], request.body["cursor"]
        members = PEOPLE.get(asked, [])
        page = members[cursor : cursor + self._page_size]
        following = cursor + self._page_size
        more = {"has_more": True, "next_cursor": following}
        last: dict[str, Any] = {"has_more": False}
        entries = [{"userid": userid, "name": userid.title()} for userid in page]
        rest = more if following < len(members) else last
        fault = self._fault(request, asked)
        if fault is not None and (cursor > 0 or self._page_size == 100):
            return fault
        return {**OK, "result": {**rest, "list": entries}}

    def _department(self, request: Request) -> Any:
        asked = request.body["dept_id"]
        found = {"dept_id": asked, "name": f"D{asked}", "order": asked * 10}
        return self._fault(request, asked) or {**OK, "result": found}

    def _children(self, request: Request) -> Any:
        asked = request.body["dept_id"]
        children = [
            {"dept_id": child, "name": f"D{child}", "parent_id": asked} for child in TREE[asked]
        ]
        return self._fault(request, asked) or {**OK, "result": children}


@pytest.fixture
def reader(client: DingTalkClient) -> Reader:
    return Reader(client, threads=4)


def department_ids(reading: Reading) -> list[str]:
    return [department.department_id for department in reading.departments]


def userids(reading: Reading) -> list[str]:
    return [user.userid for user in reading.people]


def gaps(reading: Reading) -> list[tuple[Gap, str | None]]:
    return [(reason.gap, reason.department_id) for reason in reading.reasons]


def test_the_whole_scope_is_read_breadth_first(reader: Reader, vendor: Vendor) -> None:
    Company(vendor)

    reading = reader.read_scope(["1"])

    assert department_ids(reading) == ["1", "2", "3", "4"]
    assert userids(reading) == ["boss", "anna", "ben", "carl"]
    assert reading.is_complete


def test_each_department_costs_two_calls_and_the_root_one_more(
    reader: Reader, vendor: Vendor
) -> None:
    Company(vendor)

    reader.read_scope(["1"])

    calls: dict[str, int] = defaultdict(int)
    for request in vendor.requests:
        calls[request.path] += 1
    assert calls == {"gettoken": 1, DEPARTMENT_GET: 1, LISTSUB: 4, USER_LIST: 4}


def test_a_person_in_several_departments_is_one_person(reader: Reader, vendor: Vendor) -> None:
    Company(vendor)

    reading = reader.read_scope(["1"])

    anna = next(user for user in reading.people if user.userid == "anna")
    assert anna.department_ids == ("2", "4")


def test_the_root_knows_its_order_and_the_others_do_not(reader: Reader, vendor: Vendor) -> None:
    Company(vendor)

    reading = reader.read_scope(["1"])

    assert [department.order for department in reading.departments] == [10, None, None, None]


def test_one_empty_department_is_normal(reader: Reader, vendor: Vendor) -> None:
    Company(vendor)

    assert reader.read_scope(["1"]).reasons == ()


def test_an_excluded_department_is_left_out_with_all_below_it(
    reader: Reader, vendor: Vendor
) -> None:
    Company(vendor)

    reading = reader.read_scope(["1", "3"], ["2", "3"])

    assert (department_ids(reading), userids(reading)) == (["1"], ["boss"])
    assert reading.is_complete


def test_roots_that_lie_in_each_other_are_read_once(reader: Reader, vendor: Vendor) -> None:
    Company(vendor)

    reading = reader.read_scope(["1", "2", "2"])

    assert department_ids(reading) == ["1", "2", "3", "4"]
    assert len(vendor.calls(USER_LIST)) == 4
    assert reading.departments[1].order == 20


def test_all_pages_of_a_department_are_read(reader: Reader, vendor: Vendor) -> None:
    Company(vendor, page_size=1)

    assert userids(reader.read_scope(["1"])) == ["boss", "anna", "ben", "carl"]


def test_a_failed_page_makes_the_reading_incomplete_and_keeps_the_pages_before(
    reader: Reader, vendor: Vendor
) -> None:
    Company(vendor, {(USER_LIST, 2): {"errcode": 40035}}, page_size=1)

    reading = reader.read_scope(["1"])

    assert gaps(reading) == [(Gap.DEPARTMENT_FAILED, "2")]
    assert userids(reading) == ["boss", "anna", "carl"]
    assert "2" in str(reading.reasons[0].messages[0])


@pytest.mark.parametrize(
    "fault", [{"errcode": 60121}, {"errcode": 50004}, {"errcode": 60019}, {**OK, "result": None}]
)
def test_a_department_that_cannot_be_opened_makes_the_reading_incomplete(
    reader: Reader, vendor: Vendor, fault: dict[str, Any]
) -> None:
    Company(vendor, {(LISTSUB, 2): fault, (USER_LIST, 2): fault})

    reading = reader.read_scope(["1"])

    assert gaps(reading) == [(Gap.DEPARTMENT_FAILED, "2")]
    assert department_ids(reading) == ["1", "2", "3"]
    assert reading.reasons[0].error is not None


def test_a_missing_permission_is_named_once_for_each_call(reader: Reader, vendor: Vendor) -> None:
    denied = {"errcode": 88, "sub_code": "60011", "sub_msg": "没有调用该接口的权限"}
    Company(vendor, {(USER_LIST, number): denied for number in TREE})

    reading = reader.read_scope(["1"])

    assert gaps(reading) == [(Gap.PERMISSION_MISSING, None), (Gap.NOBODY, None)]
    assert department_ids(reading) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("number", "gap"),
    [
        (50004, Gap.ROOT_OUT_OF_SCOPE),
        (60003, Gap.ROOT_GONE),
        (40035, Gap.DEPARTMENT_FAILED),
    ],
)
def test_a_root_that_cannot_be_read_makes_the_reading_incomplete(
    reader: Reader, vendor: Vendor, number: int, gap: Gap
) -> None:
    Company(vendor, {(DEPARTMENT_GET, 1): {"errcode": number}})

    reading = reader.read_scope(["1", "2"])

    assert gaps(reading) == [(gap, "1")]
    assert department_ids(reading) == ["2", "4"]


def test_a_root_out_of_scope_comes_with_the_departments_that_may_be_read(
    reader: Reader, vendor: Vendor
) -> None:
    Company(vendor, {(DEPARTMENT_GET, 1): {"errcode": 50004}})
    vendor.answer("auth/scopes", {**OK, "auth_org_scopes": {"authed_dept": [2, 77]}})

    told = [str(text) for text in reader.read_scope(["1", "2"]).reasons[0].messages]

    assert told[0] == "Department 1 is outside the app's contact scope in DingTalk."
    assert "2, 77" in told[1]
    assert "sync.source_department_ids" in told[1]
    assert len(vendor.calls("auth/scopes")) == 1


def test_a_root_out_of_scope_says_what_to_do_also_where_nothing_may_be_read(
    reader: Reader, vendor: Vendor
) -> None:
    Company(vendor, {(DEPARTMENT_GET, 1): {"errcode": 50004}})
    vendor.answer("auth/scopes", {**OK, "auth_org_scopes": {"authed_dept": []}})

    (_, hint) = reader.read_scope(["1", "2"]).reasons[0].messages

    assert "contact scope" in str(hint)


def test_a_root_that_is_gone_says_where_to_take_it_out(reader: Reader, vendor: Vendor) -> None:
    Company(vendor, {(DEPARTMENT_GET, 1): {"errcode": 60003}})

    (title, hint) = reader.read_scope(["1", "2"]).reasons[0].messages

    assert str(title) == "Department 1 does not exist in DingTalk."
    assert "sync.source_department_ids" in str(hint)


def test_nobody_at_all_is_never_complete(reader: Reader, vendor: Vendor) -> None:
    Company(vendor)

    assert gaps(reader.read_scope(["3"])) == [(Gap.NOBODY, None)]
    assert gaps(reader.read_scope([])) == [(Gap.NOBODY, None)]


def test_a_subtree_may_be_empty(reader: Reader, vendor: Vendor) -> None:
    Company(vendor)

    reading = reader.read_subtree("3")

    assert (department_ids(reading), reading.is_complete) == (["3"], True)


def test_a_subtree_is_its_department_and_all_below(reader: Reader, vendor: Vendor) -> None:
    Company(vendor)

    assert department_ids(reader.read_subtree("2")) == ["2", "4"]


def test_a_subtree_that_is_gone_says_so(reader: Reader, vendor: Vendor) -> None:
    Company(vendor, {(DEPARTMENT_GET, 2): {"errcode": 60003}})

    assert gaps(reader.read_subtree("2")) == [(Gap.ROOT_GONE, "2")]


def test_a_fault_that_passes_leaves_the_reading_complete(
    reader: Reader, vendor: Vendor, time: FakeTime
) -> None:
    Company(vendor)
    vendor.answer(
        DEPARTMENT_GET,
        {"errcode": 90018},
        {**OK, "result": {"dept_id": 1, "name": "D1"}},
    )

    assert reader.read_scope(["1"]).is_complete
    assert time.waits == [1.0]


def test_after_too_many_failures_the_rest_is_not_read(vendor: Vendor, time: FakeTime) -> None:
    busy = {"errcode": -1}
    roots = [str(number) for number in range(100, 400)]
    Company(vendor, {(DEPARTMENT_GET, int(root)): busy for root in roots})
    client = connect("ding-app", Secret("s"), vendor.base, surroundings(time))

    reading = Reader(client, threads=1).read_scope(roots)

    client.close()
    asked = {str(call.body["dept_id"]) for call in vendor.calls(DEPARTMENT_GET)}
    assert (Gap.GAVE_UP, None) in gaps(reading)
    assert not reading.is_complete
    # How many more were asked while the failures came in, is the threads' own affair.
    assert asked < set(roots)


def test_departments_that_arrive_after_giving_up_are_not_opened(client: DingTalkClient) -> None:
    with ThreadPoolExecutor(1) as pool:
        given_up = Walk(client, pool, excluded=(), places=1)
        given_up._depths["1"] = 0
        given_up._exhausted = FAILURES_TO_GIVE_UP
        given_up._take_children("1", (DingTalkDepartment("2", "D2", "1"),))

    assert (given_up._pending, list(given_up._waiting)) == ({}, [])


def test_wrong_credentials_end_everything(reader: Reader, vendor: Vendor) -> None:
    vendor.answer("gettoken", {"errcode": 40089})

    with pytest.raises(CredentialsRejectedError):
        reader.read_scope(["1", "2", "3", "4"])
    with pytest.raises(CredentialsRejectedError):
        reader.read_people([f"p{number}" for number in range(50)])

    assert len(vendor.calls("gettoken")) == 1


def test_a_blocked_address_ends_everything(reader: Reader, vendor: Vendor) -> None:
    blocked = Reply(b'{"status":1111,"wait":5,"punish":"deny"}')
    Company(vendor, {(LISTSUB, 2): blocked})

    with pytest.raises(VendorBlockedError):
        reader.read_scope(["1"])


def test_a_stop_request_ends_the_reading(vendor: Vendor) -> None:
    Company(vendor, {(USER_LIST, 2): {"errcode": -1}})
    client = connect("ding-app", Secret("s"), vendor.base, surroundings(FakeTime(stop_after=0)))

    with pytest.raises(CallCancelledError):
        Reader(client).read_scope(["1"])

    client.close()


def test_people_are_read_with_their_managers_in_the_order_asked_for(
    reader: Reader, vendor: Vendor
) -> None:
    Company(vendor)

    found = reader.read_people(["ben", "anna", "ben"])

    assert [(entry.dingtalk_id, entry.outcome) for entry in found] == [
        ("ben", Outcome.FOUND),
        ("anna", Outcome.FOUND),
    ]
    assert [entry.value.manager_userid for entry in found if entry.value] == ["boss", "boss"]
    assert len(vendor.calls(USER_GET)) == 2


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (33012, Outcome.GONE),
        (60111, Outcome.GONE),
        (60121, Outcome.GONE),
        (50002, Outcome.OUT_OF_SCOPE),
        (60011, Outcome.FAILED),
        (40035, Outcome.FAILED),
    ],
)
def test_a_person_who_cannot_be_read_has_an_outcome(
    reader: Reader, vendor: Vendor, number: int, outcome: Outcome
) -> None:
    Company(vendor, {(USER_GET, "anna"): {"errcode": number}})

    anna, ben = reader.read_people(["anna", "ben"])

    assert (anna.outcome, anna.value, ben.outcome) == (outcome, None, Outcome.FOUND)
    assert isinstance(anna.error, VendorError)


def test_departments_are_read_with_their_orders(reader: Reader, vendor: Vendor) -> None:
    Company(vendor, {(DEPARTMENT_GET, 4): {"errcode": 60003}})

    two, four = reader.read_departments(["2", "4"])

    assert two.value is not None
    assert (two.value.order, four.outcome) == (20, Outcome.GONE)


def test_reading_people_is_given_up_when_too_many_fail(vendor: Vendor, time: FakeTime) -> None:
    names = [f"p{number}" for number in range(300)]
    Company(vendor, {(USER_GET, name): {"errcode": -1} for name in names})
    client = connect("ding-app", Secret("s"), vendor.base, surroundings(time))

    with pytest.raises(VendorError):
        Reader(client, threads=1).read_people(names)

    client.close()
    assert {call.body["userid"] for call in vendor.calls(USER_GET)} < set(names)


def test_what_is_no_department_is_left_out_with_one_note(reader: Reader, vendor: Vendor) -> None:
    """DingTalk lists 家校通讯录 as -1, others below 1 too; asked for singly they do not exist."""
    odd = [
        {"dept_id": number, "name": name, "parent_id": 1}
        for number, name in ((-1, "家校通讯录"), (-7, "其他"), (0, "零"), (2, "D2"))
    ]
    Company(vendor, {(LISTSUB, 1): {**OK, "result": odd}})

    reading = reader.read_scope(["1"])

    assert department_ids(reading) == ["1", "2", "4"]
    assert reading.is_complete
    (note,) = map(str, reading.notes)
    assert all(shown in note for shown in ("家校通讯录 (-1)", "其他 (-7)", "零 (0)"))
    asked = {call.body["dept_id"] for call in vendor.calls(LISTSUB) + vendor.calls(USER_LIST)}
    assert asked == {1, 2, 4}


def test_a_child_whose_every_call_says_that_it_is_gone_is_no_gap(
    reader: Reader, vendor: Vendor
) -> None:
    gone = {"errcode": 60003}
    Company(vendor, {(LISTSUB, 2): gone, (USER_LIST, 2): gone})

    reading = reader.read_scope(["1"])

    assert department_ids(reading) == ["1", "3"]
    assert reading.is_complete
    assert [str(note) for note in reading.notes] == [
        "DingTalk lists the department D2 (2) but says that it does not exist; it was skipped."
    ]


@pytest.mark.parametrize("path", [LISTSUB, USER_LIST])
def test_a_child_of_which_only_one_call_says_that_it_is_gone_is_a_gap(
    reader: Reader, vendor: Vendor, path: str
) -> None:
    Company(vendor, {(path, 2): {"errcode": 60003}})

    assert gaps(reader.read_scope(["1"])) == [(Gap.DEPARTMENT_FAILED, "2")]


@pytest.mark.parametrize("code", [60121, 33012, 60111, 71007])
def test_only_the_code_for_departments_says_that_a_department_is_gone(
    reader: Reader, vendor: Vendor, code: int
) -> None:
    Company(vendor, {(DEPARTMENT_GET, 2): {"errcode": code}})

    assert gaps(reader.read_subtree("2")) == [(Gap.DEPARTMENT_FAILED, "2")]
    (found,) = reader.read_departments(["2"])
    assert found.outcome is Outcome.FAILED


def test_the_code_for_departments_says_nothing_of_a_person(reader: Reader, vendor: Vendor) -> None:
    Company(vendor, {(USER_GET, "anna"): {"errcode": 60003}})

    (found,) = reader.read_people(["anna"])

    assert found.outcome is Outcome.FAILED


def test_a_root_that_goes_while_it_is_read_is_not_proven_gone(
    reader: Reader, vendor: Vendor
) -> None:
    """Its own record was there a moment ago."""
    gone = {"errcode": 60003}
    Company(vendor, {(LISTSUB, 2): gone, (USER_LIST, 2): gone})

    assert gaps(reader.read_subtree("2")) == [(Gap.DEPARTMENT_FAILED, "2")]


def test_how_to_do_without_what_cannot_be_read_is_told(reader: Reader, vendor: Vendor) -> None:
    Company(vendor, {(USER_LIST, 2): {"errcode": 60019}})

    (note,) = reader.read_scope(["1"]).notes

    assert "2 to sync.excluded_department_ids" in str(note)
    assert reader.read_scope(["1"], ["2"]).is_complete


def test_an_empty_department_may_come_without_a_list(reader: Reader, vendor: Vendor) -> None:
    nobody = {**OK, "result": {"has_more": False}}
    Company(vendor, {(USER_LIST, 3): nobody, (LISTSUB, 3): {**OK, "result": None}})

    reading = reader.read_scope(["1"])

    assert reading.is_complete
    assert department_ids(reading) == ["1", "2", "3", "4"]


def test_a_list_that_lacks_while_more_is_to_come_is_a_gap(reader: Reader, vendor: Vendor) -> None:
    Company(vendor, {(USER_LIST, 3): {**OK, "result": {"has_more": True, "next_cursor": 100}}})

    assert gaps(reader.read_scope(["1"])) == [(Gap.DEPARTMENT_FAILED, "3")]


def test_levels_without_end_are_not_followed(
    reader: Reader, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "GREATEST_DEPTH", 4)

    def one_more(request: Request) -> Any:
        asked = request.body["dept_id"]
        return {**OK, "result": [{"dept_id": asked + 1, "name": "下", "parent_id": asked}]}

    Company(vendor)
    vendor.answer(LISTSUB, one_more)

    reading = reader.read_scope(["1"])

    assert department_ids(reading) == ["1", "2", "3", "4", "5"]
    assert gaps(reading) == [(Gap.TOO_DEEP, "5")]
    assert not reading.is_complete


def test_departments_without_end_are_not_followed(
    reader: Reader, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MOST_DEPARTMENTS", 20)

    def ten_more(request: Request) -> Any:
        asked = request.body["dept_id"]
        below = [10 * asked + number for number in range(10)]
        return {
            **OK,
            "result": [{"dept_id": one, "name": "下", "parent_id": asked} for one in below],
        }

    Company(vendor)
    vendor.answer(LISTSUB, ten_more)

    reading = reader.read_scope(["1"])

    assert len(reading.departments) == 20
    assert gaps(reading) == [(Gap.TOO_MANY_DEPARTMENTS, None)]
    assert "more than 50000 departments" in str(reading.reasons[0].messages[0])


def test_pages_without_end_are_not_followed(
    reader: Reader, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MOST_PAGES", 3)

    def one_page_more(request: Request) -> Any:
        cursor = request.body["cursor"]
        page = {"has_more": True, "next_cursor": cursor + 100}
        return {**OK, "result": {**page, "list": [{"userid": f"u{cursor}", "name": "甲"}]}}

    Company(vendor)
    vendor.answer(USER_LIST, one_page_more)

    reading = reader.read_subtree("3")

    assert userids(reading) == ["u0", "u100", "u200"]
    assert gaps(reading) == [(Gap.TOO_MANY_PAGES, "3")]


def test_the_bounds_are_beyond_any_company() -> None:
    assert (walk.MOST_DEPARTMENTS, walk.MOST_PAGES, walk.GREATEST_DEPTH) == (50_000, 1_000, 50)


def test_no_more_calls_wait_for_a_thread_than_there_are_places(
    client: DingTalkClient, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A department of thousands is held as ids, not as futures."""
    Company(vendor)
    children = [{"dept_id": one, "name": "下", "parent_id": 1} for one in range(2, 200)]

    def below(request: Request) -> Any:
        return {**OK, "result": children if request.body["dept_id"] == 1 else []}

    vendor.answer(LISTSUB, below)
    most = [0]

    class Counted(ThreadPoolExecutor):
        def submit(self, *args: Any, **named: Any) -> Any:
            future = super().submit(*args, **named)
            most[0] = max(most[0], self._work_queue.qsize())
            return future

    monkeypatch.setattr(reader_module, "ThreadPoolExecutor", Counted)
    reader = Reader(client, threads=2)

    assert len(reader.read_scope(["1"]).departments) == 199
    assert len(reader.read_departments([str(one) for one in range(2, 200)])) == 198
    assert 0 < most[0] <= 4
