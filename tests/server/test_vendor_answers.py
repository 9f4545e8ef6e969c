"""Whatever a vendor answers, a call gives a value or one of our errors, and nothing else.

Each call meets its own sound answer with one odd value in it. Whatever escapes here as another
exception would end a run as a fault of the program's own.
"""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto.secret import Secret
from server.dingtalk import client as dingtalk
from server.dingtalk.wire import CallbackRecord
from server.errors.vendor import VendorError
from server.wecom import client as wecom
from server.wecom.wire import Department, Member
from tests.server.rest.loopback import OK, TOKEN, FakeTime, Reply, Vendor, serving, surroundings

DEPARTMENT = {"dept_id": 5, "name": "研发", "parent_id": 1, "order": 3}
PERSON = {
    "userid": "a",
    "name": "张三",
    "mobile": "13800000000",
    "state_code": "86",
    "active": True,
    "manager_userid": "b",
    "dept_id_list": [5, 6],
    "leader_in_dept": [{"dept_id": 5, "leader": True}],
    "dept_order_list": [{"dept_id": 5, "order": 176318669012199520}],
}
LISTED = {**PERSON, "leader": True, "dept_order": 7}
RECORD = CallbackRecord("https://a.example/x", Secret("t"), Secret("k"), ("user_add_org",))

Ask = Callable[[Any], object]
DINGTALK: dict[str, tuple[str, dict[str, Any], Ask]] = {
    "token": ("gettoken", TOKEN, lambda c: c.log_in()),
    "scopes": (
        "auth/scopes",
        {**OK, "auth_org_scopes": {"authed_dept": [1], "authed_user": ["a"]}},
        lambda c: c.readable_departments(),
    ),
    "person": ("topapi/v2/user/get", {**OK, "result": PERSON}, lambda c: c.get_user("a")),
    "people": (
        "topapi/v2/user/list",
        {**OK, "result": {"has_more": True, "next_cursor": 100, "list": [LISTED, LISTED]}},
        lambda c: c.list_users("5"),
    ),
    "department": (
        "topapi/v2/department/get",
        {**OK, "result": DEPARTMENT},
        lambda c: c.get_department("5"),
    ),
    "departments": (
        "topapi/v2/department/listsub",
        {**OK, "result": [DEPARTMENT, DEPARTMENT]},
        lambda c: c.list_subdepartments("1"),
    ),
    "callback": (
        "call_back/get_call_back",
        {**OK, "url": "https://a", "token": "t", "aes_key": "k", "call_back_tag": ["a"]},
        lambda c: c.get_callback(),
    ),
    "register": ("call_back/register_call_back", OK, lambda c: c.register_callback(RECORD)),
    "update": ("call_back/update_call_back", OK, lambda c: c.update_callback(RECORD)),
    "failed": (
        "call_back/get_call_back_failed_result",
        {**OK, "has_more": False, "failed_list": [{"user_add_org": {"userid": ["a"]}}]},
        lambda c: c.take_failed_events(),
    ),
}
MADE = {"department_info": [{"name": "x", "id": 123}]}
MEMBER = Member("anna", name="安娜", department_ids=("2",))
WECOM: dict[str, tuple[str, dict[str, Any], Ask]] = {
    "token": ("cgi-bin/gettoken", TOKEN, lambda c: c.log_in()),
    "departments": (
        "cgi-bin/department/simplelist",
        {**OK, "department_id": [{"id": 2, "parentid": 1, "order": 10}]},
        lambda c: c.list_departments(),
    ),
    "members": (
        "cgi-bin/user/list_id",
        {**OK, "next_cursor": "", "dept_user": [{"userid": "a", "department": 1}]},
        lambda c: c.list_members(),
    ),
    "holder": ("cgi-bin/user/getuserid", {**OK, "userid": "a"}, lambda c: c.find_userid("138")),
    "create": (
        "cgi-bin/user/create",
        {**OK, "created_department_list": MADE},
        lambda c: c.create_member(MEMBER, invite=False).alarm,
    ),
    "update": ("cgi-bin/user/update", OK, lambda c: c.update_member(MEMBER)),
    "delete": ("cgi-bin/user/delete", OK, lambda c: c.delete_member("anna")),
    "department": (
        "cgi-bin/department/create",
        {**OK, "id": 2},
        lambda c: c.create_department(Department(name="a", parent_id="1")),
    ),
    "change": (
        "cgi-bin/department/update",
        OK,
        lambda c: c.update_department(Department("2", name="a")),
    ),
    "removal": ("cgi-bin/department/delete", OK, lambda c: c.delete_department("2")),
}

DEEP = "[" * 100_000
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 2**70, 10**400, float("inf"), float("nan")),
    *("", " ", "abc", "²", "1_0", "٣", "-7", "9" * 5000, "\0", "\ud83d", "true", "[", "{}", DEEP),
    *([], {}, [[]], [None], [5], ["x"], [{}], {"dept_id": "abc"}, {"userid": []}, [[[]], {}]),
]


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value in a JSON value."""
    children: dict[Any, Any] = value if isinstance(value, dict) else {}
    if isinstance(value, list):
        children = dict(enumerate(value))
    for key, child in children.items():
        yield (key,)
        yield from ((key, *further) for further in _places(child))


def altered(answer: Any, place: tuple[Any, ...], odd: Any) -> Any:
    """Return the answer with another value at one place; `odd` of ... takes it away."""
    changed = deepcopy(answer)
    *way, last = place
    inner = changed
    for key in way:
        inner = inner[key]
    if odd is ...:
        del inner[last]
    else:
        inner[last] = odd
    return changed


def odd_answers(answer: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Answers with one odd value, none at all, or not even JSON."""
    one = st.builds(
        altered,
        st.just(answer),
        st.sampled_from(list(_places(answer))),
        st.sampled_from([*ODD, ...]),
    )
    deep = st.integers(1, 100_000).map(lambda depth: b'{"a":' + b"[" * depth + b"]" * depth + b"}")
    whole = st.sampled_from([*ODD, answer])
    return st.one_of((one | whole).map(lambda value: json.dumps(value).encode()), deep, st.binary())


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with serving() as running:
        yield running


def _outcome(vendor: Vendor, client: Any, path: str, ask: Ask, content: bytes) -> object:
    vendor.requests.clear()
    vendor.answer(path, Reply(content))
    try:
        return ask(client)
    except VendorError as error:
        # What is told must be tellable, whatever stands in it.
        f"{error.title}{error.hint}".encode()
        return error
    finally:
        client.close()


_PROPERTY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("name", DINGTALK)
@_PROPERTY
@given(data=st.data())
def test_dingtalk_may_answer_anything(vendor: Vendor, name: str, data: st.DataObject) -> None:
    path, answer, ask = DINGTALK[name]
    vendor.answer("gettoken", TOKEN)
    client = dingtalk.connect("app", Secret("s"), vendor.base, surroundings(FakeTime()))
    _outcome(vendor, client, path, ask, data.draw(odd_answers(answer)))


@pytest.mark.parametrize("name", WECOM)
@_PROPERTY
@given(data=st.data())
def test_wecom_may_answer_anything(vendor: Vendor, name: str, data: st.DataObject) -> None:
    path, answer, ask = WECOM[name]
    vendor.answer("cgi-bin/gettoken", TOKEN)
    client = wecom.connect("corp", Secret("s"), vendor.base, surroundings(FakeTime()))
    _outcome(vendor, client, path, ask, data.draw(odd_answers(answer)))


@pytest.mark.parametrize("name", DINGTALK)
def test_the_sound_answers_of_dingtalk_are_no_errors(vendor: Vendor, name: str) -> None:
    path, answer, ask = DINGTALK[name]
    vendor.answer("gettoken", TOKEN)
    client = dingtalk.connect("app", Secret("s"), vendor.base, surroundings(FakeTime()))
    outcome = _outcome(vendor, client, path, ask, json.dumps(answer).encode())

    assert not isinstance(outcome, VendorError)


@pytest.mark.parametrize("name", WECOM)
def test_the_sound_answers_of_wecom_are_no_errors(vendor: Vendor, name: str) -> None:
    path, answer, ask = WECOM[name]
    vendor.answer("cgi-bin/gettoken", TOKEN)
    client = wecom.connect("corp", Secret("s"), vendor.base, surroundings(FakeTime()))
    outcome = _outcome(vendor, client, path, ask, json.dumps(answer).encode())

    assert not isinstance(outcome, VendorError)


def test_every_call_of_both_clients_is_among_them() -> None:
    """A call that is added there and not here would go untested."""
    tested = {path for path, _, _ in (*DINGTALK.values(), *WECOM.values())}
    sources = (Path(str(module.__file__)).read_text("utf-8") for module in (dingtalk, wecom))
    named = {
        path for text in sources for path in re.findall(r'"(?:topapi|cgi-bin|auth)/[^"]+"', text)
    }
    unused = {"topapi/user/listid", "topapi/v2/department/listsubid"}

    assert {path.strip('"') for path in named} - unused <= tested


@pytest.mark.parametrize("odd", ["abc", "²", "1_0", "٣", "", None])
def test_a_department_id_that_is_none_is_never_sent(vendor: Vendor, odd: Any) -> None:
    vendor.answer("gettoken", TOKEN)
    client = dingtalk.connect("app", Secret("s"), vendor.base, surroundings(FakeTime()))
    vendor.requests.clear()

    for ask in (client.get_department, client.list_subdepartments, client.list_users):
        with pytest.raises(VendorError):
            ask(odd)

    assert vendor.requests == []
    client.close()


def test_members_whose_list_never_ends_are_given_up(vendor: Vendor) -> None:
    pages = iter(range(100_000))
    vendor.answer("cgi-bin/gettoken", TOKEN)
    vendor.answer(
        "cgi-bin/user/list_id", lambda _: {**OK, "next_cursor": f"p{next(pages)}", "dept_user": []}
    )
    client = wecom.connect("corp", Secret("s"), vendor.base, surroundings(FakeTime()))

    with pytest.raises(VendorError) as caught:
        client.list_members()

    assert "next_cursor" in str(caught.value)
    assert len(vendor.calls("cgi-bin/user/list_id")) == 1000
    client.close()
