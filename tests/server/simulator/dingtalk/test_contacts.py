"""DingTalk's contact API as documented, each answer over a real socket."""

import pytest
import requests

from server.simulator.company import Company
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.dingtalk.records import Sight
from server.simulator.httpd import LoopbackServer
from server.simulator.roster import ROOT_ID
from tests.server.clocks import SteadyClock
from tests.server.simulator.raw_dingtalk import CALLBACK, RawDingTalk

_USER_GET = "/topapi/v2/user/get"


def test_gettoken_gives_the_same_token_and_renews_it(dingtalk: RawDingTalk) -> None:
    rules = dingtalk.api.rules
    secrets = {"appkey": rules.app_key, "appsecret": rules.app_secret}
    first = dingtalk.get("/gettoken", **secrets)
    dingtalk.clock.now_s += 7000
    assert dingtalk.get("/gettoken", **secrets) == first
    assert (first["errcode"], first["expires_in"]) == (0, 7200)


@pytest.mark.parametrize("secrets", [{}, {"appkey": "x", "appsecret": "y"}])
def test_a_wrong_secret_gets_no_token(dingtalk: RawDingTalk, secrets: dict[str, str]) -> None:
    assert dingtalk.get("/gettoken", **secrets)["errcode"] == 40089


@pytest.mark.parametrize(("token", "code"), [("", 41001), ("foreign", 40014)])
def test_a_bad_token_is_refused(dingtalk: RawDingTalk, token: str, code: int) -> None:
    assert dingtalk.get("/auth/scopes", access_token=token)["errcode"] == code


def test_a_token_in_a_header_or_body_does_not_count(dingtalk: RawDingTalk) -> None:
    token = dingtalk.token()
    reply = dingtalk.session.post(
        f"{dingtalk.address}{_USER_GET}",
        json={"userid": "x", "access_token": token},
        headers={"x-acs-dingtalk-access-token": token},
        timeout=10,
    )
    assert reply.json()["errcode"] == 41001


@pytest.mark.parametrize("code", [40014, 42001])
def test_an_expired_token_is_refused_with_the_code_chosen(code: int) -> None:
    clock = SteadyClock()
    api = DingTalkContacts(Company(), clock=clock, token_expired_code=code)
    with LoopbackServer(api.handle) as server, requests.Session() as session:
        dingtalk = RawDingTalk(api.company, api, clock, server.address, session)
        token = dingtalk.token()
        clock.now_s += 7200
        assert dingtalk.get("/auth/scopes", access_token=token)["errcode"] == code
        assert dingtalk.get("/auth/scopes", access_token=dingtalk.token())["errcode"] == 0


def test_a_token_may_end_early(dingtalk: RawDingTalk) -> None:
    token = dingtalk.token()
    dingtalk.api.tokens.revoke()
    assert dingtalk.get("/auth/scopes", access_token=token)["errcode"] == 40014


def test_a_bad_token_may_come_wrapped_in_88(dingtalk: RawDingTalk) -> None:
    dingtalk.api.rules.wrapped = True
    answer = dingtalk.get("/auth/scopes", access_token="foreign")
    assert (answer["errcode"], answer["sub_code"]) == (88, "40014")


def test_user_get_gives_everything_known(dingtalk: RawDingTalk) -> None:
    first, second = dingtalk.department(), dingtalk.department("市场部")
    boss = dingtalk.person()
    userid = dingtalk.person(
        *(first, second),
        mobile="13800000001",
        email="wang@example.com",
        title="经理",
        telephone="0571-88",
        job_number="E1",
        hired_date_ms=1_600_000_000_000,
        manager_userid=boss,
        leads=frozenset({second}),
    )
    person = dingtalk.company.roster.people[userid]
    answer = dingtalk.post(_USER_GET, userid=userid)
    expected = {
        "userid": userid,
        "unionid": person.unionid,
        "name": "王伟",
        "mobile": "13800000001",
        "state_code": "86",
        "email": "wang@example.com",
        "title": "经理",
        "telephone": "0571-88",
        "job_number": "E1",
        "hired_date": 1_600_000_000_000,
        "manager_userid": boss,
        "dept_id_list": [first, second],
        "dept_order_list": [{"dept_id": d, "order": o} for d, o in person.dept_orders],
        "leader_in_dept": [
            {"dept_id": first, "leader": False},
            {"dept_id": second, "leader": True},
        ],
        "active": True,
        "exclusive_account": False,
    }
    assert answer["errcode"] == 0
    assert {name: answer["result"].get(name) for name in expected} == expected


def test_empty_fields_are_missing_or_empty_texts(dingtalk: RawDingTalk) -> None:
    userid = dingtalk.person()
    missing = dingtalk.post(_USER_GET, userid=userid)["result"]
    dingtalk.api.rules.sight = Sight(empty_as_text=True)
    empty = dingtalk.post(_USER_GET, userid=userid)["result"]
    names = ["mobile", "email", "title"]
    assert [name in missing for name in names] == [False, False, False]
    assert [empty[name] for name in names] == ["", "", ""]


def test_fields_without_permission_are_silently_missing(dingtalk: RawDingTalk) -> None:
    userid = dingtalk.person(mobile="13800000001", email="wang@example.com", title="经理")
    dingtalk.api.rules.sight = Sight(mobiles=False, emails=False)
    answer = dingtalk.post(_USER_GET, userid=userid)
    shown = [n in answer["result"] for n in ("mobile", "state_code", "email", "title")]
    assert (answer["errcode"], shown) == (0, [False, False, False, True])


@pytest.mark.parametrize("code", [33012, 60121])
def test_who_left_is_unknown(dingtalk: RawDingTalk, code: int) -> None:
    userid = dingtalk.person()
    dingtalk.company.leave(userid)
    dingtalk.api.rules.gone_code = code
    assert dingtalk.code(_USER_GET, userid=userid) == code


def test_a_call_without_its_parameter_is_refused(dingtalk: RawDingTalk) -> None:
    assert dingtalk.code(_USER_GET) == 40035
    assert dingtalk.code("/topapi/v2/department/get", dept_id="x") == 40035


def test_a_body_that_is_no_json_object_is_refused(dingtalk: RawDingTalk) -> None:
    address = f"{dingtalk.address}{_USER_GET}"
    query = {"access_token": dingtalk.token()}
    for body in (b"{", b"[]"):
        reply = dingtalk.session.post(address, params=query, data=body, timeout=10)
        assert reply.json()["errcode"] == 40035


def test_a_form_is_as_good_as_json(dingtalk: RawDingTalk) -> None:
    dingtalk.person()
    reply = dingtalk.session.post(
        f"{dingtalk.address}/topapi/v2/user/list",
        params={"access_token": dingtalk.token()},
        data={"dept_id": "1", "cursor": "0", "size": "10"},
        timeout=10,
    )
    assert len(reply.json()["result"]["list"]) == 1


def test_the_wrong_method_and_an_unknown_call_are_refused(dingtalk: RawDingTalk) -> None:
    assert dingtalk.read(_USER_GET)["errcode"] == 43002
    assert dingtalk.code("/auth/scopes") == 43001
    assert dingtalk.code("/topapi/v2/user/unknown") == 22


def test_user_list_pages_through_direct_members_without_their_manager(
    dingtalk: RawDingTalk,
) -> None:
    dept_id = dingtalk.department()
    below = dingtalk.department("测试组", dept_id)
    dingtalk.person(below)
    boss = dingtalk.person()
    for number in range(5):
        dingtalk.person(dept_id, name=f"员工{number}", manager_userid=boss)
    pages, cursor = [], 0
    while True:
        path = "/topapi/v2/user/list"
        result = dingtalk.post(path, dept_id=dept_id, cursor=cursor, size=2)["result"]
        pages.append([item["name"] for item in result["list"]])
        if not result["has_more"]:
            break
        cursor = result["next_cursor"]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(name for page in pages for name in page) == [
        f"员工{number}" for number in range(5)
    ]
    assert "next_cursor" not in result
    assert "manager_userid" not in result["list"][0]


def test_user_list_has_scalar_order_and_leader(dingtalk: RawDingTalk) -> None:
    dept_id = dingtalk.department()
    userid = dingtalk.person(dept_id, leads=frozenset({dept_id}))
    item = dingtalk.post("/topapi/v2/user/list", dept_id=dept_id, cursor=0, size=100)["result"][
        "list"
    ]
    order = dict(dingtalk.company.roster.people[userid].dept_orders)[dept_id]
    assert (item[0]["dept_order"], item[0]["leader"]) == (order, True)


@pytest.mark.parametrize(
    ("cursor", "size", "code"),
    [(0, 101, 40069), (0, 0, 40069), (0, "x", 40069), (-1, 10, 40068), (None, 10, 40068)],
)
def test_bad_paging_is_refused(
    dingtalk: RawDingTalk, cursor: object, size: object, code: int
) -> None:
    assert dingtalk.code("/topapi/v2/user/list", dept_id=1, cursor=cursor, size=size) == code


def test_listsimple_and_listid_name_the_direct_members(dingtalk: RawDingTalk) -> None:
    userid = dingtalk.person()
    simple = dingtalk.post("/topapi/user/listsimple", dept_id=1, cursor=0, size=10)["result"]
    ids = dingtalk.post("/topapi/user/listid", dept_id=1)["result"]
    assert simple == {"has_more": False, "list": [{"userid": userid, "name": "王伟"}]}
    assert ids == {"userid_list": [userid]}


def test_department_get_has_the_order_and_the_root_no_parent(dingtalk: RawDingTalk) -> None:
    dept_id = dingtalk.department()
    leader = dingtalk.person(dept_id, leads=frozenset({dept_id}))
    found = dingtalk.post("/topapi/v2/department/get", dept_id=dept_id)["result"]
    root = dingtalk.post("/topapi/v2/department/get", dept_id=1)["result"]
    shown = [found[n] for n in ("name", "parent_id", "order", "dept_manager_userid_list")]
    assert shown == ["研发部", 1, 1, [leader]]
    assert ("parent_id" in root, root["order"]) == (False, 0)


def test_listsub_gives_one_level_without_order(dingtalk: RawDingTalk) -> None:
    dept_id = dingtalk.department()
    dingtalk.department("测试组", dept_id)
    children = dingtalk.post("/topapi/v2/department/listsub")["result"]
    assert [(child["dept_id"], child["parent_id"]) for child in children] == [(dept_id, 1)]
    assert "order" not in children[0]
    assert dingtalk.post("/topapi/v2/department/listsubid", dept_id=1)["result"] == {
        "dept_id_list": [dept_id]
    }


def test_parents_are_given_from_below(dingtalk: RawDingTalk) -> None:
    top = dingtalk.department()
    below = dingtalk.department("测试组", top)
    userid = dingtalk.person(below, ROOT_ID)
    by_dept = dingtalk.post("/topapi/v2/department/listparentbydept", dept_id=below)["result"]
    by_user = dingtalk.post("/topapi/v2/department/listparentbyuser", userid=userid)["result"]
    assert by_dept == {"parent_id_list": [below, top, 1]}
    assert by_user == {
        "parent_list": [{"parent_dept_id_list": [below, top, 1]}, {"parent_dept_id_list": [1]}]
    }


@pytest.mark.parametrize("call", ["get", "listsub", "listsubid", "listparentbydept"])
def test_an_unknown_department_is_said(dingtalk: RawDingTalk, call: str) -> None:
    assert dingtalk.code(f"/topapi/v2/department/{call}", dept_id=77) == 60003


def test_what_is_outside_the_scope_is_refused(dingtalk: RawDingTalk) -> None:
    inside, outside = dingtalk.department(), dingtalk.department("市场部")
    below = dingtalk.department("测试组", inside)
    seen, unseen, named = dingtalk.person(below), dingtalk.person(outside), dingtalk.person(outside)
    dingtalk.api.rules.scope_departments = frozenset({inside})
    dingtalk.api.rules.scope_people = frozenset({named})
    codes = [dingtalk.code(_USER_GET, userid=userid) for userid in (seen, unseen, named)]
    assert codes == [0, 50002, 0]
    page = {"cursor": 0, "size": 10}
    for call in ("v2/user/list", "user/listsimple", "v2/department/get", "v2/department/listsub"):
        codes = [dingtalk.code(f"/topapi/{call}", dept_id=d, **page) for d in (below, outside, 1)]
        assert codes == [0, 50004, 50004]


def test_some_calls_are_not_limited_by_the_scope(dingtalk: RawDingTalk) -> None:
    userid = dingtalk.person()
    dingtalk.api.rules.scope_departments = frozenset({dingtalk.department()})
    for call in ("user/listid", "v2/department/listsubid", "v2/department/listparentbydept"):
        assert dingtalk.code(f"/topapi/{call}", dept_id=1) == 0
    assert dingtalk.code("/topapi/v2/department/listparentbyuser", userid=userid) == 0


def test_scopes_tell_fields_departments_and_people(dingtalk: RawDingTalk) -> None:
    dingtalk.api.rules.sight = Sight(emails=False)
    answer = dingtalk.read("/auth/scopes")
    assert answer["auth_org_scopes"] == {"authed_dept": [1], "authed_user": []}
    assert ["mobile" in answer["auth_user_field"], "email" in answer["auth_user_field"]] == [
        True,
        False,
    ]


def test_a_missing_api_permission_comes_as_88(dingtalk: RawDingTalk) -> None:
    dingtalk.api.rules.missing_permissions = frozenset({"qyapi_get_member"})
    answer = dingtalk.post(_USER_GET, userid=dingtalk.person())
    assert (answer["errcode"], answer["sub_code"]) == (88, "60011")
    assert answer["errmsg"] == "ding talk error[subcode=60011,submsg=没有调用该接口的权限]"
    assert dingtalk.code("/topapi/v2/department/get", dept_id=1) == 0


def test_an_address_off_the_list_is_refused(dingtalk: RawDingTalk) -> None:
    dingtalk.api.rules.is_ip_trusted = False
    assert dingtalk.read("/auth/scopes")["errcode"] == 60020


def test_twenty_calls_a_second_an_api_pass() -> None:
    clock = SteadyClock()
    api = DingTalkContacts(Company(), clock=clock)
    with LoopbackServer(api.handle) as server, requests.Session() as session:
        dingtalk = RawDingTalk(api.company, api, clock, server.address, session)
        codes = [dingtalk.code("/topapi/user/listid", dept_id=1) for _ in range(21)]
        other = dingtalk.code("/topapi/v2/department/get", dept_id=1)
        clock.now_s += 1
        later = dingtalk.code("/topapi/user/listid", dept_id=1)
    assert (codes, other, later) == ([0] * 20 + [90018], 0, 0)


def test_documented_types_are_wrong_but_nothing_is_lost(dingtalk: RawDingTalk) -> None:
    dept_id = dingtalk.department()
    userid = dingtalk.person(dept_id, ROOT_ID)
    dingtalk.api.rules.documented_types = True
    answer = dingtalk.post(_USER_GET, userid=userid)
    record = answer["result"]
    assert answer["errcode"] == "0"
    assert (record["active"], record["dept_id_list"]) == ("true", f"[{dept_id}, 1]")
    listed = dingtalk.post("/topapi/v2/user/list", dept_id=dept_id, cursor=0, size=10)["result"]
    assert (listed["has_more"], listed["list"]["userid"]) == ("false", userid)
    assert dingtalk.post(_USER_GET, userid="nobody")["errcode"] == "33012"


def test_the_log_keeps_calls_without_secrets(dingtalk: RawDingTalk) -> None:
    dingtalk.code("/call_back/register_call_back", **CALLBACK)
    dingtalk.post(_USER_GET, userid="nobody")
    logged = [(call.path, call.errcode) for call in dingtalk.api.log.calls()]
    assert (_USER_GET, 33012) in logged
    text = repr(dingtalk.api.log.calls()) + repr(dingtalk.checked) + repr(dingtalk.api.rules)
    secrets = (dingtalk.token(), dingtalk.api.rules.app_secret, str(CALLBACK["token"]), "a" * 43)
    assert [secret for secret in secrets if secret in text] == []


def test_something_happens_after_the_nth_call_and_before_its_answer_is_sent(
    dingtalk: RawDingTalk,
) -> None:
    first, second = dingtalk.department("甲"), dingtalk.department("乙")
    userid = dingtalk.person(first)
    listed = "/topapi/v2/user/list"
    dingtalk.api.after_call(
        lambda: dingtalk.company.move(userid, (second,)), listed, 2, asking={"dept_id": first}
    )
    shown = []
    for department_id in (first, second, first, second, first):
        page = dingtalk.post(listed, dept_id=department_id, cursor=0, size=100)
        shown.append(len(page["result"]["list"]))
    assert shown == [1, 0, 1, 1, 0]


def test_what_was_to_happen_can_be_forgotten(dingtalk: RawDingTalk) -> None:
    userid = dingtalk.person(ROOT_ID)
    dingtalk.api.after_call(lambda: dingtalk.company.leave(userid))
    dingtalk.api.forget_acts()
    assert [dingtalk.code(_USER_GET, userid=userid) for _ in range(2)] == [0, 0]
