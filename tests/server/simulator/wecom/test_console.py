"""What people do to a WeCom by hand."""

from collections.abc import Callable

import pytest

from server.simulator.wecom.console import ConsoleError
from server.simulator.wecom.directory import Membership
from tests.server.simulator.raw_wecom import ZHANG, RawWeCom


def test_an_admin_edits_by_hand_what_the_api_does_not_show(wecom: RawWeCom) -> None:
    department_id = wecom.console.add_department("外来部门")
    wecom.console.add_member("foreign", "外人", [department_id], mobile="13700000001")
    wecom.console.change_member("foreign", name="外来人", mobile="13700000002")
    wecom.console.change_department(department_id, name="外部")
    wecom.console.change_member("foreign", memberships=(Membership(1),))
    assert wecom.member("foreign").main_department == 1
    wecom.console.change_member("foreign", memberships=(Membership(department_id),))
    assert wecom.code("user/create", **ZHANG | {"mobile": "13700000002"}) == 60104
    assert wecom.member("foreign").name == "外来人"
    with pytest.raises(ConsoleError):
        wecom.console.delete_department(department_id)
    wecom.console.delete_member("foreign")
    wecom.console.delete_department(department_id)
    assert len(wecom.api.directory.snapshot().departments) == 1


def test_the_console_refuses_what_would_break_the_directory(wecom: RawWeCom) -> None:
    first = wecom.console.add_department("甲")
    second = wecom.console.add_department("乙", first)
    wecom.console.add_member("zhangsan", "张三", mobile="13800000001")
    wecom.console.add_member("lisi", "李四", mobile="13800000002")
    attempts: list[Callable[[], object]] = [
        lambda: wecom.console.add_department("甲"),
        lambda: wecom.console.change_department(first, parent_id=second),
        lambda: wecom.console.change_department(99, name="x"),
        lambda: wecom.console.add_member("LiSi", "李四"),
        lambda: wecom.console.change_member("lisi", mobile="13800000001"),
        lambda: wecom.console.change_member("nobody", name="x"),
        lambda: wecom.console.add_member("wangwu", "王五", [99]),
        lambda: wecom.console.delete_department(1),
    ]
    before = wecom.api.directory.snapshot()
    for attempt in attempts:
        with pytest.raises(ConsoleError):
            attempt()
    assert wecom.api.directory.snapshot() == before
