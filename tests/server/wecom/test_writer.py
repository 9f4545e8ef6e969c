import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from server.errors.vendor import VendorRefusedError
from server.wecom.client import WeComClient, Writer
from server.wecom.wire import Accepted, Department, Member
from tests.server.rest.loopback import OK, Request, Vendor


@pytest.fixture
def writer(client: WeComClient) -> Writer:
    return Writer(client)


def test_each_change_is_one_call(writer: Writer, vendor: Vendor) -> None:
    for path in ("user/create", "user/update", "user/delete"):
        vendor.answer(f"cgi-bin/{path}", OK)
    for path in ("department/update", "department/delete"):
        vendor.answer(f"cgi-bin/{path}", OK)
    vendor.answer("cgi-bin/department/create", {**OK, "id": 2})

    writer.create_member(Member("a"))
    writer.update_member(Member("a", name="A"))
    writer.enable_member("a")
    writer.disable_member("a")
    writer.delete_member("a")
    created = writer.create_department(Department(name="D", parent_id="1"))
    writer.update_department(Department("2", name="E"))
    writer.delete_department("2")

    made = [request for request in vendor.requests if "gettoken" not in request.path]
    assert [(request.path.removeprefix("cgi-bin/"), request.body) for request in made] == [
        ("user/create", {"userid": "a", "to_invite": False}),
        ("user/update", {"userid": "a", "name": "A"}),
        ("user/update", {"userid": "a", "enable": 1}),
        ("user/update", {"userid": "a", "enable": 0}),
        ("user/delete", None),
        ("department/create", {"name": "D", "parentid": 1}),
        ("department/update", {"id": 2, "name": "E"}),
        ("department/delete", None),
    ]
    assert created == Accepted(department_id="2")


def test_changes_from_several_threads_take_turns(writer: Writer, vendor: Vendor) -> None:
    lock = threading.Lock()
    in_flight: list[str] = []
    most: list[int] = []

    def answer(request: Request) -> Any:
        with lock:
            in_flight.append(request.path)
            most.append(len(in_flight))
        threading.Event().wait(0.005)
        with lock:
            in_flight.pop()
        return {**OK, "id": 2}

    for path in ("cgi-bin/user/update", "cgi-bin/department/create"):
        vendor.answer(path, answer)

    def change(number: int) -> Accepted:
        if number % 2:
            return writer.update_member(Member(f"m{number}"))
        return writer.create_department(Department(name=f"d{number}", parent_id="1"))

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(change, range(12)))

    assert (len(results), max(most)) == (12, 1)


def test_a_refused_change_lets_the_next_one_through(writer: Writer, vendor: Vendor) -> None:
    vendor.answer("cgi-bin/user/update", {"errcode": 60112}, OK)

    with pytest.raises(VendorRefusedError):
        writer.update_member(Member("a"))

    assert writer.update_member(Member("b")) == Accepted()
