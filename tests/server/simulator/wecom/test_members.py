"""WeCom's member calls as documented and observed, each answer over a real socket."""

import pytest

from server.simulator.wecom.contacts import WeComContacts, WeComRules
from server.simulator.wecom.directory import Limits, WeComDirectory
from server.simulator.wecom.members import MemberRules
from tests.server.clocks import SteadyClock
from tests.server.simulator.raw_wecom import LI, ZHANG, RawWeCom, serve


def test_a_member_is_created_with_all_fields(wecom: RawWeCom) -> None:
    department_id = wecom.department()
    wecom.post("user/create", **LI)
    wecom.api.directory.attribute_names.add("工号")
    answer = wecom.post(
        "user/create",
        **ZHANG | {"department": [1, department_id], "mobile": "+86 13800000001"},
        order=[3, 4],
        is_leader_in_dept=[0, 1],
        main_department=department_id,
        email="zhang@example.com",
        position="工程师",
        telephone="0571-88888888",
        direct_leader=["LiSi"],
        enable=1,
        to_invite=False,
        extattr={
            "attrs": [
                {"type": 0, "name": "工号", "text": {"value": "E1"}},
                {"type": 0, "name": "未知", "text": {"value": "x"}},
            ]
        },
    )
    member = wecom.member()
    assert answer == {"errcode": 0, "errmsg": "created"}
    assert [(m.department_id, m.order, m.is_leader) for m in member.memberships] == [
        (1, 3, False),
        (department_id, 4, True),
    ]
    assert (member.main_department, member.direct_leader) == (department_id, ("lisi",))
    assert dict(member.attributes) == {"工号": "E1"}
    assert (member.status, wecom.api.directory.invited) == (4, ["lisi"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"userid": None}, 41009),
        ({"userid": "_zhang"}, 40003),
        ({"userid": "张三"}, 40003),
        ({"userid": "a" * 65}, 40003),
        ({"userid": "LISI"}, 60102),
        ({"name": ""}, 60112),
        ({"name": None}, 60112),
        ({"name": "长" * 65}, 60112),
        ({"mobile": None}, 60129),
        ({"mobile": "1380000000"}, 60103),
        ({"mobile": "85261234567"}, 60103),
        ({"mobile": "+86138000"}, 60103),
        ({"mobile": "+852" + "1" * 30}, 60103),
        ({"mobile": "13800000002"}, 60104),
        ({"mobile": "+8613800000002"}, 60104),
        ({"userid": "lisi", "mobile": "13800000002"}, 60104),
        ({"email": "no address"}, 60105),
        ({"email": "LI@example.com"}, 60106),
        ({"department": "1"}, 40066),
        ({"department": ["1"]}, 40066),
        ({"department": [1, 1]}, 40066),
        ({"department": [2**31]}, 40066),
        ({"department": list(range(1, 102))}, 60110),
        ({"order": [1, 2]}, 40058),
        ({"is_leader_in_dept": [1, 0]}, 60132),
        ({"main_department": 99}, 40058),
        ({"direct_leader": ["lisi", "wangwu"]}, 60257),
        ({"direct_leader": ["nobody"]}, 60111),
        ({"position": "长" * 129}, 301012),
        ({"telephone": "总机 1"}, 301013),
        ({"alias": "长" * 65}, 40058),
        ({"gender": "x"}, 40058),
        ({"extattr": {"attrs": [{"name": "工号", "text": {"value": "长" * 65}}]}}, 40058),
    ],
)
def test_a_bad_member_is_not_created(wecom: RawWeCom, change: dict[str, object], code: int) -> None:
    wecom.api.directory.attribute_names.add("工号")
    wecom.post("user/create", **LI, email="li@example.com")
    before = wecom.api.directory.snapshot()
    assert wecom.code("user/create", **ZHANG | change) == code
    assert wecom.api.directory.snapshot() == before


@pytest.mark.parametrize("mobile", ["+852 61234567", "+1-2025550123", "13800000009"])
def test_mobiles_of_any_country_are_accepted(wecom: RawWeCom, mobile: str) -> None:
    assert wecom.code("user/create", **ZHANG | {"mobile": mobile}) == 0


@pytest.mark.parametrize("userid", ["0", "a" * 64, "A-b_c@d.e"])
def test_any_allowed_userid_is_accepted(wecom: RawWeCom, userid: str) -> None:
    assert wecom.code("user/create", **ZHANG | {"userid": userid}) == 0


def test_a_held_mobile_names_its_holder_and_wins_over_a_held_userid(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG)
    answer = wecom.post("user/create", **ZHANG | {"userid": "ZhangSan"})
    assert (answer["errcode"], answer["errmsg"].split(",")[0]) == (60104, "mobile existed:zhangsan")
    assert wecom.code("user/create", **ZHANG | {"mobile": "13800000009"}) == 60102


def test_an_unknown_leader_has_the_code_of_an_unknown_member(wecom: RawWeCom) -> None:
    answer = wecom.post("user/create", **ZHANG, direct_leader=["nobody"])
    assert answer["errcode"] == 60111
    assert answer["errmsg"].startswith("invalid string value `nobody`. userid not found")


def test_an_unknown_department_is_made_and_reported(wecom: RawWeCom) -> None:
    answer = wecom.post("user/create", **ZHANG | {"department": [1, 2]})
    assert answer["created_department_list"] == {
        "department_info": [{"name": "待设置部门2", "id": 2}]
    }
    departments = wecom.api.directory.snapshot().departments
    room = departments[departments[2].parent_id]
    assert (room.name, room.parent_id) == ("其他（待设置部门）", 1)
    assert wecom.member().department_ids == (1, 2)
    wecom.post("user/update", userid="zhangsan", department=[room.department_id + 1])
    departments = wecom.api.directory.snapshot().departments
    assert departments[wecom.member().main_department].parent_id == room.department_id


@pytest.mark.parametrize("department", [None, [], [0]])
def test_who_has_no_department_waits_for_one(wecom: RawWeCom, department: object) -> None:
    assert wecom.code("user/create", **ZHANG | {"department": department}) == 0
    room = wecom.api.directory.snapshot().departments[wecom.member().main_department]
    assert (room.name, wecom.member().department_ids) == (
        "其他（待设置部门）",
        (room.department_id,),
    )


@pytest.mark.parametrize(
    ("department", "code"), [(None, 40058), ([], 40066), ([0], 40066), ([1, 99], 40066)]
)
def test_the_older_behaviour_refuses_unknown_departments(department: object, code: int) -> None:
    clock = SteadyClock()
    rules = WeComRules(members=MemberRules(creates_unknown_departments=False))
    for wecom in serve(WeComContacts(rules=rules, clock=clock), clock):
        answer = wecom.post("user/create", **ZHANG | {"department": department})
        assert answer["errcode"] == code
        if department is None:
            assert answer["errmsg"].startswith("missing field `department`. ")


def test_the_account_limit_stops_creates_only() -> None:
    clock = SteadyClock()
    directory = WeComDirectory(limits=Limits(accounts=1))
    for wecom in serve(WeComContacts(directory, clock=clock), clock):
        codes = [wecom.code("user/create", **who) for who in (ZHANG, LI)]
        assert codes == [0, 45024]
        assert wecom.code("user/update", userid="zhangsan", name="张三丰") == 0


def test_unless_told_otherwise_people_are_invited(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG)
    wecom.post("user/create", **LI, to_invite=False)
    assert wecom.api.directory.invited == ["zhangsan"]


def test_a_field_of_the_wrong_type_is_left_out_with_a_warning(wecom: RawWeCom) -> None:
    answer = wecom.post("user/create", **ZHANG, position=7, enable="no")
    assert answer == {"errcode": 0, "errmsg": "created. Warning: wrong json format. "}
    assert (wecom.member().position, wecom.member().is_enabled) == ("", True)


def test_an_update_leaves_other_fields_alone(wecom: RawWeCom) -> None:
    department_id = wecom.department()
    wecom.post("user/create", **ZHANG | {"department": [1, department_id]}, order=[1, 2])
    wecom.post("user/update", userid="zhangsan", is_leader_in_dept=[0, 1])
    before = wecom.member()
    answer = wecom.post("user/update", userid="ZHANGSAN", name="张三丰", order=[8, 9], enable=0)
    after = wecom.member()
    assert answer == {"errcode": 0, "errmsg": "updated"}
    assert after.memberships == before.memberships
    assert (after.userid, after.name, after.mobile, after.status) == (
        "zhangsan",
        "张三丰",
        "13800000001",
        2,
    )


def test_new_departments_keep_a_leader_and_choose_a_main_department(wecom: RawWeCom) -> None:
    first, second = wecom.department(), wecom.department("市场部")
    wecom.post("user/create", **ZHANG | {"department": [1, first]}, is_leader_in_dept=[0, 1])
    wecom.post("user/update", userid="zhangsan", department=[second, first], order=[5, 6])
    member = wecom.member()
    assert [(m.department_id, m.order, m.is_leader) for m in member.memberships] == [
        (second, 5, False),
        (first, 6, True),
    ]
    assert member.main_department == second


def test_a_bad_change_of_a_member_is_refused(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG)
    wecom.post("user/create", **LI, email="li@example.com")
    before = wecom.api.directory.snapshot()
    changes: list[tuple[dict[str, object], int]] = [
        ({"userid": None}, 41009),
        ({"userid": "nobody"}, 60111),
        ({"name": ""}, 60112),
        ({"mobile": "13800000002"}, 60104),
        ({"mobile": ""}, 60129),
        ({"email": "li@example.com"}, 60106),
        ({"main_department": 99}, 40058),
        ({"is_leader_in_dept": [1, 1]}, 60132),
        ({"direct_leader": ["nobody"]}, 60111),
        ({"new_userid": "zhang3"}, 301036),
    ]
    codes = [wecom.code("user/update", **{"userid": "zhangsan"} | change) for change, _ in changes]
    assert codes == [code for _, code in changes]
    assert wecom.api.directory.snapshot() == before


def test_a_mobile_may_go_while_an_address_remains(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG, email="zhang@example.com")
    assert wecom.code("user/update", userid="zhangsan", mobile="") == 0
    assert wecom.code("user/create", **ZHANG | {"userid": "zhang2"}) == 0


def test_the_mobile_of_an_activated_member_silently_stays(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG)
    wecom.console.activate("zhangsan")
    answer = wecom.post("user/update", userid="zhangsan", mobile="13800000009", name="张三丰")
    assert answer == {"errcode": 0, "errmsg": "updated"}
    assert (wecom.member().mobile, wecom.member().name) == ("13800000001", "张三丰")
    assert wecom.member().status == 1


def test_a_deleted_member_leads_nobody(wecom: RawWeCom) -> None:
    wecom.post("user/create", **LI)
    wecom.post("user/create", **ZHANG, direct_leader=["lisi"])
    assert wecom.get("user/delete", userid="LiSi")["errmsg"] == "deleted"
    assert wecom.member().direct_leader == ()
    codes = [wecom.get("user/delete", userid=userid)["errcode"] for userid in ("lisi", "")]
    assert codes == [60111, 41009]


def test_the_creator_cannot_be_deleted(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG)
    wecom.api.directory.creator = "ZhangSan"
    assert wecom.get("user/delete", userid="zhangsan")["errcode"] == 301005


def test_many_are_deleted_together_or_not_at_all(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG)
    wecom.post("user/create", **LI)
    codes = [
        wecom.code("user/batchdelete", useridlist=["zhangsan", "nobody"]),
        wecom.code("user/batchdelete", useridlist=[]),
        wecom.code("user/batchdelete", useridlist=["zhangsan"] * 201),
    ]
    assert codes == [40031, 40031, 40032]
    assert wecom.code("user/batchdelete", useridlist=["zhangsan", "LISI"]) == 0
    assert wecom.api.directory.snapshot().members == {}


def test_getuserid_finds_who_holds_a_mobile(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG)
    assert wecom.post("user/getuserid", mobile="+8613800000001")["userid"] == "zhangsan"
    assert wecom.code("user/getuserid", mobile="13900000000") == 46004


def test_getuserid_is_closed_after_too_many_wrong_mobiles(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG)
    wecom.api.rules.members.wrong_mobiles = 2
    asked = ["13900000000", "+8613800000001", "13900000001", "+8613800000001"]
    codes = [wecom.code("user/getuserid", mobile=mobile) for mobile in asked]
    assert codes == [46004, 0, 46004, 45009]


def test_list_id_has_a_row_for_each_membership(wecom: RawWeCom) -> None:
    department_id = wecom.department()
    wecom.post("user/create", **ZHANG | {"department": [department_id, 1]})
    wecom.post("user/create", **LI)
    rows, cursor, pages = [], "", 0
    while cursor or not pages:
        answer = wecom.post("user/list_id", cursor=cursor, limit=2)
        rows += [(row["userid"], row["department"]) for row in answer["dept_user"]]
        cursor, pages = answer["next_cursor"], pages + 1
    assert rows == [("lisi", 1), ("zhangsan", 1), ("zhangsan", department_id)]
    assert pages == 2
    assert len(wecom.post("user/list_id")["dept_user"]) == 3


def test_the_last_page_may_have_no_cursor_at_all(wecom: RawWeCom) -> None:
    wecom.api.rules.members.ends_with_empty_cursor = False
    assert "next_cursor" not in wecom.post("user/list_id")


def test_disabled_members_may_be_left_out_of_list_id(wecom: RawWeCom) -> None:
    wecom.post("user/create", **ZHANG, enable=0)
    assert len(wecom.post("user/list_id")["dept_user"]) == 1
    wecom.api.rules.members.lists_disabled = False
    assert wecom.post("user/list_id")["dept_user"] == []


@pytest.mark.parametrize("body", [{"limit": 0}, {"limit": 10_001}, {"cursor": "x"}])
def test_bad_paging_of_list_id_is_refused(wecom: RawWeCom, body: dict[str, object]) -> None:
    answer = wecom.post("user/list_id", **body)
    assert (answer["errcode"], answer["dept_user"]) == (40058, [])
