"""WeCom's department calls as documented and observed, each answer over a real socket."""

import pytest

from server.simulator.wecom.contacts import WeComContacts
from server.simulator.wecom.directory import Limits, WeComDirectory
from tests.server.clocks import SteadyClock
from tests.server.simulator.raw_wecom import LI, ZHANG, RawWeCom, serve


def test_departments_are_created_and_listed_without_names(wecom: RawWeCom) -> None:
    first = wecom.department()
    second = wecom.department("市场部", order=7, id=77)
    below = wecom.department("测试组", second)
    assert wecom.get("department/simplelist")["department_id"] == [
        {"id": 1, "parentid": 0, "order": 100_000_000},
        {"id": first, "parentid": 1, "order": 100_000_000},
        {"id": 77, "parentid": 1, "order": 7},
        {"id": below, "parentid": 77, "order": 100_000_000},
    ]
    part = wecom.get("department/simplelist", id=77)["department_id"]
    assert [row["id"] for row in part] == [77, below]


def test_orders_left_out_count_down_by_a_thousand(wecom: RawWeCom) -> None:
    ids = [wecom.department(name) for name in ("甲", "乙", "丙")]
    departments = wecom.api.directory.snapshot().departments
    assert [departments[one].order for one in ids] == [100_000_000, 99_999_000, 99_998_000]


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"name": None}, 60001, "department invalid length"),
        ({"name": "长" * 33}, 60001, "department invalid length"),
        ({"name": ""}, 40058, "name exceed min utf8 words 1. Invalid input"),
        ({"name": "研发部"}, 60008, "department existed"),
        ({"id": 2}, 60008, "department existed"),
        ({"name_en": "研发部"}, 60008, "department existed"),
        ({"name_en": "x" * 33}, 40058, "name_en exceed max length 32"),
        ({"id": 0}, 60123, "invalid party id"),
        ({"id": 2**31}, 60009, "Warning: wrong json format. department name include"),
        ({"id": ""}, 60009, "Warning: wrong json format. department name include"),
        ({"order": -1}, 60009, "Warning: wrong json format. department name include"),
        ({"order": "aaa"}, 60009, "Warning: wrong json format. department name include"),
        ({"order": 2**32}, 60009, "Warning: wrong json format. department name include"),
        ({"parentid": ""}, 60009, "Warning: wrong json format. department name include"),
        ({"parentid": 0}, 60004, "parent department not found"),
        ({"parentid": 99}, 60004, "parent department not found"),
        ({"parentid": None}, 60004, "parent department not found"),
        *(
            ({"name": f"a{char}b"}, 60009, "department name include invalid char")
            for char in '\\:*?"<>|'
        ),
    ],
)
def test_a_bad_department_is_not_created(
    wecom: RawWeCom, change: dict[str, object], code: int, text: str
) -> None:
    wecom.department(id=2)
    answer = wecom.post("department/create", **{"name": "市场部", "parentid": 1} | change)
    assert answer["errcode"] == code
    assert answer["errmsg"].startswith(text)
    assert len(wecom.api.directory.snapshot().departments) == 2


def test_the_root_may_be_renamed(wecom: RawWeCom) -> None:
    assert wecom.code("department/update", id=1, name="新公司") == 0
    assert wecom.api.directory.snapshot().departments[1].name == "新公司"


def test_a_slash_and_thirty_two_characters_are_accepted(wecom: RawWeCom) -> None:
    wecom.department("研发/测试")
    wecom.department("长" * 32)
    assert len(wecom.api.directory.snapshot().departments) == 3


def test_a_full_department_takes_no_other() -> None:
    clock = SteadyClock()
    for wecom in serve(WeComContacts(WeComDirectory(limits=Limits(nodes=1)), clock=clock), clock):
        first = wecom.department()
        assert wecom.code("department/create", name="市场部", parentid=1) == 81001
        assert wecom.code("department/create", name="测试组", parentid=first) == 0


def test_departments_are_renamed_moved_and_reordered(wecom: RawWeCom) -> None:
    first, second = wecom.department(), wecom.department("市场部")
    answer = wecom.post("department/update", id=first, name="研发中心", parentid=second, order=5)
    found = wecom.api.directory.snapshot().departments[first]
    assert answer == {"errcode": 0, "errmsg": "updated"}
    assert (found.name, found.parent_id, found.order) == ("研发中心", second, 5)


def test_a_bad_order_is_only_warned_of_on_update(wecom: RawWeCom) -> None:
    department_id = wecom.department(order=5)
    for order in (-1, "aaa", 2**32):
        answer = wecom.post("department/update", id=department_id, order=order)
        assert answer == {"errcode": 0, "errmsg": "updated. Warning: wrong json format. "}
    assert wecom.api.directory.snapshot().departments[department_id].order == 5


def test_a_bad_change_of_a_department_is_refused(wecom: RawWeCom) -> None:
    first, second = wecom.department(), wecom.department("市场部")
    below = wecom.department("市场部", first)
    codes = [
        wecom.code("department/update", name="x"),
        wecom.code("department/update", id=99, name="x"),
        wecom.code("department/update", id=first, parentid=99),
        wecom.code("department/update", id=first, parentid=below),
        wecom.code("department/update", id=first, name="市场部"),
        wecom.code("department/update", id=below, parentid=1),
        wecom.code("department/update", id=first, name="长" * 33),
        wecom.code("department/update", id=first, name="a:b"),
        wecom.code("department/update", id=1, parentid=second),
    ]
    assert codes == [60003, 60003, 60124, 60010, 60008, 60008, 60001, 60009, 60010]


def test_only_an_empty_department_is_deleted(wecom: RawWeCom) -> None:
    top = wecom.department()
    below = wecom.department("测试组", top)
    wecom.post("user/create", **ZHANG | {"department": [below]})
    codes = [wecom.get("department/delete", id=one)["errcode"] for one in (top, below, 1, 99, "")]
    assert codes == [60006, 60005, 60006, 60123, 40058]
    wecom.get("user/delete", userid="zhangsan")
    codes = [wecom.get("department/delete", id=one)["errcode"] for one in (below, top, 1)]
    assert codes == [0, 0, 60007]
    wecom.post("user/create", **ZHANG)
    assert wecom.get("department/delete", id=1)["errcode"] == 60005


def test_an_unknown_department_cannot_be_listed(wecom: RawWeCom) -> None:
    answer = wecom.get("department/simplelist", id=99)
    assert (answer["errcode"], answer["department_id"]) == (60123, [])


def test_the_tree_has_its_limits() -> None:
    clock = SteadyClock()
    directory = WeComDirectory(limits=Limits(departments=4, levels=3, nodes=2))
    for wecom in serve(WeComContacts(directory, clock=clock), clock):
        second = wecom.department("二")
        third = wecom.department("三", second)
        codes = [
            wecom.code("department/create", name="四", parentid=third),
            wecom.code("department/create", name="又一", parentid=1),
            wecom.code("department/create", name="过多", parentid=second),
            wecom.code("user/create", **ZHANG),
            wecom.code("user/create", **LI | {"department": [third]}),
        ]
        assert codes == [81002, 0, 81004, 81001, 0]
        assert wecom.code("department/create", name="再多", parentid=1) == 81004
        assert wecom.code("user/update", userid="lisi", department=[1]) == 81001
