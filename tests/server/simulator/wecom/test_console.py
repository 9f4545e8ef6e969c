"""What people do to a WeCom by hand."""

from collections.abc import Callable, Iterator

import pytest

from server.simulator.wecom.console import ConsoleError
from server.simulator.wecom.contacts import WeComContacts
from server.simulator.wecom.directory import Membership
from tests.server.clocks import SteadyClock
from tests.server.simulator.wecom_world import ZHANG, World, serve


@pytest.fixture
def world() -> Iterator[World]:
    clock = SteadyClock()
    yield from serve(WeComContacts(clock=clock), clock)


def test_an_admin_edits_by_hand_what_the_api_does_not_show(world: World) -> None:
    department_id = world.console.add_department("外来部门")
    world.console.add_member("foreign", "外人", [department_id], mobile="13700000001")
    world.console.change_member("foreign", name="外来人", mobile="13700000002")
    world.console.change_department(department_id, name="外部")
    world.console.change_member("foreign", memberships=(Membership(1),))
    assert world.member("foreign").main_department == 1
    world.console.change_member("foreign", memberships=(Membership(department_id),))
    assert world.code("user/create", **ZHANG | {"mobile": "13700000002"}) == 60104
    assert world.member("foreign").name == "外来人"
    with pytest.raises(ConsoleError):
        world.console.delete_department(department_id)
    world.console.delete_member("foreign")
    world.console.delete_department(department_id)
    assert len(world.api.directory.snapshot().departments) == 1


def test_the_console_refuses_what_would_break_the_directory(world: World) -> None:
    first = world.console.add_department("甲")
    second = world.console.add_department("乙", first)
    world.console.add_member("zhangsan", "张三", mobile="13800000001")
    world.console.add_member("lisi", "李四", mobile="13800000002")
    attempts: list[Callable[[], object]] = [
        lambda: world.console.add_department("甲"),
        lambda: world.console.change_department(first, parent_id=second),
        lambda: world.console.change_department(99, name="x"),
        lambda: world.console.add_member("LiSi", "李四"),
        lambda: world.console.change_member("lisi", mobile="13800000001"),
        lambda: world.console.change_member("nobody", name="x"),
        lambda: world.console.add_member("wangwu", "王五", [99]),
        lambda: world.console.delete_department(1),
    ]
    before = world.api.directory.snapshot()
    for attempt in attempts:
        with pytest.raises(ConsoleError):
            attempt()
    assert world.api.directory.snapshot() == before
