"""What stands before every WeCom call, and the record of the calls, over a real socket."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.simulator.wecom.contacts import WeComContacts, WeComRules
from tests.server.clocks import SteadyClock
from tests.server.simulator.wecom_world import LI, ZHANG, World, serve


@pytest.fixture
def world() -> Iterator[World]:
    clock = SteadyClock()
    yield from serve(WeComContacts(clock=clock), clock)


def test_gettoken_gives_the_same_token_while_it_is_valid(world: World) -> None:
    first = world.token()
    world.clock.now_s += 7199
    assert world.token() == first
    world.clock.now_s += 1
    assert world.token() != first
    assert world.raw("department/simplelist", access_token=first)["errcode"] == 42001


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, 41002),
        ({"corpid": "ww00000000000000aa"}, 41004),
        ({"corpid": "wwother", "corpsecret": "x"}, 40013),
        ({"corpid": "ww00000000000000aa", "corpsecret": "x"}, 40001),
    ],
)
def test_wrong_credentials_get_no_token(world: World, query: dict[str, str], code: int) -> None:
    assert world.raw("gettoken", **query)["errcode"] == code


def test_too_many_wrong_secrets_block_the_address() -> None:
    clock = SteadyClock()
    api = WeComContacts(rules=WeComRules(wrong_secrets_an_hour=2), clock=clock)
    for world in serve(api, clock):
        wrong = {"corpid": api.rules.corp_id, "corpsecret": "x"}
        codes = [world.raw("gettoken", **wrong)["errcode"] for _ in range(3)]
        assert codes == [40001, 40001, 45009]


@pytest.mark.parametrize(("token", "code"), [("", 41001), ("foreign", 40014)])
def test_a_bad_token_is_refused_with_the_calls_empty_list(
    world: World, token: str, code: int
) -> None:
    answer = world.raw("department/simplelist", access_token=token)
    assert (answer["errcode"], answer["department_id"]) == (code, [])


def test_a_token_may_end_early(world: World) -> None:
    token = world.token()
    world.api.tokens.revoke()
    assert world.raw("department/simplelist", access_token=token)["errcode"] == 42001


def test_an_untrusted_address_is_named_but_gets_its_token(world: World) -> None:
    world.api.rules.is_ip_trusted = False
    answer = world.get("department/simplelist")
    assert answer["errcode"] == 60020
    assert re.fullmatch(
        r"not allow to access from your ip, hint: \[\d{22}\], from ip: 203\.0\.113\.7, "
        r"more info at https://open\.work\.weixin\.qq\.com/devtool/query\?e=60020",
        answer["errmsg"],
    )


def test_hints_may_be_left_out(world: World) -> None:
    world.api.rules.has_hints = False
    assert world.get("user/get", userid="x")["errmsg"] == "api forbidden for contact assistant"


def test_an_unknown_path_is_a_404(world: World) -> None:
    address = f"{world.address}/cgi-bin/user/unknown"
    assert world.session.get(address, timeout=10).status_code == 404


def test_a_post_call_by_get_is_refused(world: World) -> None:
    assert world.get("user/create", userid="zhangsan")["errcode"] == 40003
    assert world.get("department/create", name="x")["errcode"] == 40058


def test_escaped_characters_are_refused(world: World) -> None:
    reply = world.session.post(
        f"{world.address}/cgi-bin/user/create",
        params={"access_token": world.token()},
        json=ZHANG,  # requests writes \\uXXXX
        timeout=10,
    )
    assert reply.json()["errcode"] == 40033


def test_a_form_counts_as_an_empty_object(world: World) -> None:
    address, query = f"{world.address}/cgi-bin/", {"access_token": world.token()}
    reply = world.session.post(
        f"{address}department/create", params=query, data={"name": "x"}, timeout=10
    ).json()
    assert reply["errcode"] == 60001
    assert reply["errmsg"].startswith("Warning: wrong json format. department invalid length")


@pytest.mark.parametrize(
    "call", ["user/get", "user/list", "user/simplelist", "department/list", "department/get"]
)
def test_reads_are_closed_to_the_sync_secret(world: World, call: str) -> None:
    assert world.get(call, userid="x", department_id=1, id=1)["errcode"] == 48009


def test_reads_may_be_open(world: World) -> None:
    world.api.rules.may_read = True
    world.post("user/create", **ZHANG, is_leader_in_dept=[1], enable=0)
    person = world.get("user/get", userid="zhangsan")
    assert (person["name"], person["status"], person["department"]) == ("张三", 2, [1])
    assert world.get("user/list", department_id=1)["userlist"][0]["mobile"] == "13800000001"
    assert world.get("user/simplelist", department_id=1)["userlist"] == [
        {"userid": "zhangsan", "name": "张三", "department": [1]}
    ]
    assert world.get("department/list")["department"][0]["parentid"] == 0
    assert world.get("department/get", id=1)["department"]["department_leader"] == ["zhangsan"]
    codes = [
        world.get("department/get")["errcode"],
        world.get("user/list", department_id=99)["errcode"],
    ]
    assert codes == [40058, 60123]


def test_a_helper_with_read_permission_only_cannot_write(world: World) -> None:
    world.api.rules.may_write = False
    assert world.code("user/create", **ZHANG) == 48002
    assert world.get("department/simplelist")["errcode"] == 0


def test_over_the_limit_an_api_is_blocked_for_its_window() -> None:
    clock = SteadyClock()
    api = WeComContacts(clock=clock, calls_per_minute=3)
    for world in serve(api, clock):
        codes = [world.get("department/simplelist")["errcode"] for _ in range(4)]
        other = world.code("user/list_id")
        clock.now_s += 60
        later = world.get("department/simplelist")["errcode"]
        assert (codes, other, later) == ([0, 0, 0, 45009], 0, 0)


def test_overlapping_writes_conflict(world: World) -> None:
    world.api.rules.write_takes_s = 0.3
    with ThreadPoolExecutor(2) as pool:
        codes = sorted(pool.map(lambda who: world.code("user/create", **who), [ZHANG, LI]))
    assert codes == [0, 6000]


def test_too_many_calls_at_once_are_refused(world: World) -> None:
    world.api.rules.write_takes_s = 0.3
    world.api.rules.concurrent_calls = 1
    with ThreadPoolExecutor(2) as pool:
        codes = sorted(pool.map(lambda who: world.code("user/create", **who), [ZHANG, LI]))
    assert codes == [0, 45033]


def test_the_record_shows_the_writes_that_took_effect_in_order(world: World) -> None:
    world.post("user/create", **ZHANG)
    world.post("user/create", **ZHANG)
    department_id = world.department()
    world.get("user/delete", userid="zhangsan")
    writes = [(call.path, call.parameters.get("userid")) for call in world.api.writes()]
    assert writes == [
        ("/cgi-bin/user/create", "zhangsan"),
        ("/cgi-bin/department/create", None),
        ("/cgi-bin/user/delete", "zhangsan"),
    ]
    assert department_id == 2
    assert world.api.log.counts()["/cgi-bin/user/create"] == 2


def test_neither_record_nor_rules_show_a_secret(world: World) -> None:
    world.get("department/simplelist")
    text = repr(world.api.log.calls()) + repr(world.api.rules)
    secrets = [world.token(), world.api.rules.contact_secret]
    assert [secret for secret in secrets if secret in text] == []
