"""What stands before every WeCom call, and the record of the calls, over a real socket."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.simulator.wecom.contacts import WeComContacts, WeComRules
from tests.server.clocks import SteadyClock
from tests.server.simulator.raw_wecom import LI, ZHANG, RawWeCom, serve


def test_gettoken_gives_the_same_token_while_it_is_valid(wecom: RawWeCom) -> None:
    first = wecom.token()
    wecom.clock.now_s += 7199
    assert wecom.token() == first
    wecom.clock.now_s += 1
    assert wecom.token() != first
    assert wecom.raw("department/simplelist", access_token=first)["errcode"] == 42001


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, 41002),
        ({"corpid": "ww00000000000000aa"}, 41004),
        ({"corpid": "wwother", "corpsecret": "x"}, 40013),
        ({"corpid": "ww00000000000000aa", "corpsecret": "x"}, 40001),
    ],
)
def test_wrong_credentials_get_no_token(wecom: RawWeCom, query: dict[str, str], code: int) -> None:
    assert wecom.raw("gettoken", **query)["errcode"] == code


def test_too_many_wrong_secrets_block_the_address() -> None:
    clock = SteadyClock()
    api = WeComContacts(rules=WeComRules(wrong_secrets_an_hour=2), clock=clock)
    for wecom in serve(api, clock):
        wrong = {"corpid": api.rules.corp_id, "corpsecret": "x"}
        codes = [wecom.raw("gettoken", **wrong)["errcode"] for _ in range(3)]
        assert codes == [40001, 40001, 45009]


@pytest.mark.parametrize(("token", "code"), [("", 41001), ("foreign", 40014)])
def test_a_bad_token_is_refused_with_the_calls_empty_list(
    wecom: RawWeCom, token: str, code: int
) -> None:
    answer = wecom.raw("department/simplelist", access_token=token)
    assert (answer["errcode"], answer["department_id"]) == (code, [])


def test_a_token_may_end_early(wecom: RawWeCom) -> None:
    token = wecom.token()
    wecom.api.tokens.revoke()
    assert wecom.raw("department/simplelist", access_token=token)["errcode"] == 42001


def test_an_untrusted_address_is_named_but_gets_its_token(wecom: RawWeCom) -> None:
    wecom.api.rules.is_ip_trusted = False
    answer = wecom.get("department/simplelist")
    assert answer["errcode"] == 60020
    assert re.fullmatch(
        r"not allow to access from your ip, hint: \[\d{22}\], from ip: 203\.0\.113\.7, "
        r"more info at https://open\.work\.weixin\.qq\.com/devtool/query\?e=60020",
        answer["errmsg"],
    )


def test_hints_may_be_left_out(wecom: RawWeCom) -> None:
    wecom.api.rules.has_hints = False
    assert wecom.get("user/get", userid="x")["errmsg"] == "api forbidden for contact assistant"


def test_an_unknown_path_is_a_404(wecom: RawWeCom) -> None:
    address = f"{wecom.address}/cgi-bin/user/unknown"
    assert wecom.session.get(address, timeout=10).status_code == 404


def test_a_post_call_by_get_is_refused(wecom: RawWeCom) -> None:
    assert wecom.get("user/create", userid="zhangsan")["errcode"] == 40003
    assert wecom.get("department/create", name="x")["errcode"] == 40058


def test_escaped_characters_are_refused(wecom: RawWeCom) -> None:
    reply = wecom.session.post(
        f"{wecom.address}/cgi-bin/user/create",
        params={"access_token": wecom.token()},
        json=ZHANG,  # requests writes \\uXXXX
        timeout=10,
    )
    assert reply.json()["errcode"] == 40033


def test_a_form_counts_as_an_empty_object(wecom: RawWeCom) -> None:
    address, query = f"{wecom.address}/cgi-bin/", {"access_token": wecom.token()}
    reply = wecom.session.post(
        f"{address}department/create", params=query, data={"name": "x"}, timeout=10
    ).json()
    assert reply["errcode"] == 60001
    assert reply["errmsg"].startswith("Warning: wrong json format. department invalid length")


@pytest.mark.parametrize(
    "call", ["user/get", "user/list", "user/simplelist", "department/list", "department/get"]
)
def test_reads_are_closed_to_the_sync_secret(wecom: RawWeCom, call: str) -> None:
    assert wecom.get(call, userid="x", department_id=1, id=1)["errcode"] == 48009


def test_reads_may_be_open(wecom: RawWeCom) -> None:
    wecom.api.rules.may_read = True
    wecom.post("user/create", **ZHANG, is_leader_in_dept=[1], enable=0)
    person = wecom.get("user/get", userid="zhangsan")
    assert (person["name"], person["status"], person["department"]) == ("张三", 2, [1])
    assert wecom.get("user/list", department_id=1)["userlist"][0]["mobile"] == "13800000001"
    assert wecom.get("user/simplelist", department_id=1)["userlist"] == [
        {"userid": "zhangsan", "name": "张三", "department": [1]}
    ]
    assert wecom.get("department/list")["department"][0]["parentid"] == 0
    assert wecom.get("department/get", id=1)["department"]["department_leader"] == ["zhangsan"]
    codes = [
        wecom.get("department/get")["errcode"],
        wecom.get("user/list", department_id=99)["errcode"],
    ]
    assert codes == [40058, 60123]


def test_a_helper_with_read_permission_only_cannot_write(wecom: RawWeCom) -> None:
    wecom.api.rules.may_write = False
    assert wecom.code("user/create", **ZHANG) == 48002
    assert wecom.get("department/simplelist")["errcode"] == 0


def test_over_the_limit_an_api_is_blocked_for_its_window() -> None:
    clock = SteadyClock()
    api = WeComContacts(clock=clock, calls_per_minute=3)
    for wecom in serve(api, clock):
        codes = [wecom.get("department/simplelist")["errcode"] for _ in range(4)]
        other = wecom.code("user/list_id")
        clock.now_s += 60
        later = wecom.get("department/simplelist")["errcode"]
        assert (codes, other, later) == ([0, 0, 0, 45009], 0, 0)


def test_overlapping_writes_conflict(wecom: RawWeCom) -> None:
    wecom.api.rules.write_takes_s = 0.3
    with ThreadPoolExecutor(2) as pool:
        codes = sorted(pool.map(lambda who: wecom.code("user/create", **who), [ZHANG, LI]))
    assert codes == [0, 6000]


def test_too_many_calls_at_once_are_refused(wecom: RawWeCom) -> None:
    wecom.api.rules.write_takes_s = 0.3
    wecom.api.rules.concurrent_calls = 1
    with ThreadPoolExecutor(2) as pool:
        codes = sorted(pool.map(lambda who: wecom.code("user/create", **who), [ZHANG, LI]))
    assert codes == [0, 45033]


def test_the_record_shows_the_writes_that_took_effect_in_order(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG)
    wecom.post("user/create", **ZHANG)
    department_id = wecom.department()
    wecom.get("user/delete", userid="zhangsan")
    writes = [(call.path, call.parameters.get("userid")) for call in wecom.api.writes()]
    assert writes == [
        ("/cgi-bin/user/create", "zhangsan"),
        ("/cgi-bin/department/create", None),
        ("/cgi-bin/user/delete", "zhangsan"),
    ]
    assert department_id == 2
    assert wecom.api.log.counts()["/cgi-bin/user/create"] == 2


def test_neither_record_nor_rules_show_a_secret(wecom: RawWeCom) -> None:
    wecom.get("department/simplelist")
    text = repr(wecom.api.log.calls()) + repr(wecom.api.rules)
    secrets = [wecom.token(), wecom.api.rules.contact_secret]
    assert [secret for secret in secrets if secret in text] == []
