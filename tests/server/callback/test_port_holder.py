import os
import socket
import struct

import pytest

from server.callback.port_holder import _LAYOUTS, _owner_in, holder_of_port

IPV4, IPV6 = _LAYOUTS


def ipv4_row(port: int, pid: int) -> bytes:
    """A row as Windows writes it; only half of a port's field has a meaning."""
    return struct.pack("<IIHHIII", 2, 0, socket.htons(port), 0xABCD, 0, 0, pid)


def ipv6_row(port: int, pid: int) -> bytes:
    address = bytes(16)
    return struct.pack("<16sIHH16sIIII", address, 0, socket.htons(port), 0, address, 0, 0, 2, pid)


def table(*rows: bytes) -> bytes:
    # Behind the last row lies what was in memory before.
    return struct.pack("<I", len(rows)) + b"".join(rows) + ipv4_row(9999, 1)


@pytest.mark.parametrize(("port", "pid"), [(8080, 4321), (135, 912), (9999, None), (80, None)])
def test_windows_table_tells_who_listens(port: int, pid: int | None) -> None:
    rows = table(ipv4_row(135, 912), ipv4_row(18080, 77), ipv4_row(8080, 4321))

    assert pid == _owner_in(rows, IPV4, port)


def test_windows_table_of_ipv6_listeners_is_read_too() -> None:
    assert _owner_in(table(ipv6_row(135, 912), ipv6_row(8080, 4)), IPV6, 8080) == 4


def test_an_empty_table_tells_nothing() -> None:
    assert _owner_in(struct.pack("<I", 0), IPV4, 8080) is None


def test_processes_that_may_not_be_looked_into_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    def refuse(_: object) -> str:
        raise PermissionError

    with socket.create_server(("127.0.0.1", 0)) as held:
        monkeypatch.setattr(os, "readlink", refuse)
        assert holder_of_port(held.getsockname()[1]) is None
