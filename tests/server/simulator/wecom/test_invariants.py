"""Whatever is called in whatever order, a WeCom directory stays whole."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from server.simulator.httpd import Request
from server.simulator.wecom.contacts import WeComContacts, WeComRules
from server.simulator.wecom.directory import WeComDirectory, mobile_key
from server.simulator.wecom.members import MemberRules

_JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", -1, 2**32, True, [], {}, ["1"], [0], 1.5]
)
_DEPARTMENT_ID = st.integers(0, 7)
_USERID = st.sampled_from(["a", "A", "b", "c", "D", "d", "_bad"])


def _or_junk(sound: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    # One value in nine or so is junk: often enough to be met, seldom enough to get somewhere.
    return st.integers(0, 8).flatmap(lambda n: _JUNK if n == 0 else sound)


_MEMBER = st.fixed_dictionaries(
    {"userid": _or_junk(_USERID), "name": _or_junk(st.sampled_from(["张三", "李四"]))},
    optional={
        "mobile": _or_junk(st.sampled_from(["13800000001", "+86 13800000001", "13800000002", ""])),
        "email": _or_junk(st.sampled_from(["a@example.com", "A@example.com", ""])),
        "department": _or_junk(st.lists(_DEPARTMENT_ID, max_size=3)),
        "order": _or_junk(st.lists(st.integers(0, 9), max_size=3)),
        "is_leader_in_dept": _or_junk(st.lists(st.integers(0, 1), max_size=3)),
        "main_department": _or_junk(_DEPARTMENT_ID),
        "direct_leader": _or_junk(st.lists(_USERID, max_size=2)),
        "enable": _or_junk(st.integers(0, 1)),
        "extattr": _or_junk(st.just({"attrs": [{"name": "x"}, 1]})),
    },
)
_DEPARTMENT = st.fixed_dictionaries(
    {"name": _or_junk(st.sampled_from(["甲", "乙", "丙"])), "parentid": _or_junk(_DEPARTMENT_ID)},
    optional={
        "id": _or_junk(_DEPARTMENT_ID),
        "order": _or_junk(st.integers(0, 9)),
        "name_en": _or_junk(st.sampled_from(["甲", "A"])),
    },
)
_CALL = st.one_of(
    st.tuples(st.sampled_from(["user/create", "user/update"]), _MEMBER),
    st.tuples(st.sampled_from(["department/create", "department/update"]), _DEPARTMENT),
    st.tuples(st.just("user/delete"), st.fixed_dictionaries({"userid": _USERID})),
    st.tuples(st.just("department/delete"), st.fixed_dictionaries({"id": _DEPARTMENT_ID})),
    st.tuples(
        st.just("user/batchdelete"), st.fixed_dictionaries({"useridlist": st.lists(_USERID)})
    ),
)


def _request(call: str, values: dict[str, Any], token: str) -> Request:
    path, query = f"/cgi-bin/{call}", {"access_token": token}
    if call.endswith("/delete"):
        return Request("GET", path, query | {k: str(v) for k, v in values.items()}, {}, b"")
    body = json.dumps(values, ensure_ascii=False).encode()
    return Request("POST", path, query, {}, body)


def _broken(directory: WeComDirectory) -> list[str]:
    snapshot = directory.snapshot()
    departments, members = snapshot.departments, list(snapshot.members.values())
    siblings = [
        (one.parent_id, name)
        for one in departments.values()
        for name in {one.name, one.name_en} - {""}
    ]
    held: dict[str, list[Any]] = {
        "userid": [member.key for member in members],
        "mobile": [mobile_key(member.mobile) for member in members if member.mobile],
        "email": [member.email.lower() for member in members if member.email],
        "sibling name": siblings,
    }
    broken = [name for name, values in held.items() if len(set(values)) < len(values)]
    broken += [f"department {one}" for one in departments if 1 not in _chain(directory, one)]
    for member in members:
        ids = member.department_ids
        is_whole = ids and len(set(ids)) == len(ids) and set(ids) <= set(departments)
        if not is_whole or member.main_department not in ids or not (member.mobile or member.email):
            broken.append(member.userid)
        if any(directory.member(leader) is None for leader in member.direct_leader):
            broken.append(f"leader of {member.userid}")
    listed = {(userid, one) for userid, one in directory.rows()}
    if listed != {(member.userid, one) for member in members for one in member.department_ids}:
        broken.append("list_id")
    return broken


def _chain(directory: WeComDirectory, department_id: int) -> list[int]:
    chain: list[int] = []
    step = directory.tree.get(department_id)
    while step is not None and step.department_id not in chain:
        chain.append(step.department_id)
        step = directory.tree.get(step.parent_id)
    return chain


@settings(max_examples=150, deadline=None)
@given(calls=st.lists(_CALL, max_size=25), is_2025=st.booleans())
def test_a_directory_stays_whole_under_any_calls(
    calls: list[tuple[str, dict[str, Any]]], *, is_2025: bool
) -> None:
    rules = WeComRules(members=MemberRules(creates_unknown_departments=is_2025))
    api = WeComContacts(rules=rules)
    token, _ = api.tokens.issue()
    for call, values in calls:
        before = api.directory.snapshot()
        reply = api.handle(_request(call, values, token))
        assert reply is not None
        if json.loads(reply.body)["errcode"] != 0:
            assert api.directory.snapshot() == before
        assert _broken(api.directory) == []
