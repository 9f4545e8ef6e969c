"""A server that is never silent and never done is given up when the time for an answer is over.

Each wait for the next byte is short, so that no timeout of a socket strikes: it is the answer as a
whole that takes too long. A proxy that does this stands in the way in the same manner.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

import pytest

from server.errors.vendor import ErrorPolicy, VendorError, VendorUnreachableError
from server.rest.session import Call, Channel, Limits

TOTAL_S = 0.5
LIMITS = Limits(connect_s=1.0, read_s=20.0, total_s=TOTAL_S)
PATIENCE_S = 15.0  # under the 20 s for a silent server; a loaded computer is slow

_HEAD = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
# What comes first, what is repeated, and how long to wait between.
DRIPS: dict[str, tuple[bytes, bytes, float]] = {
    "a status line": (b"", b"H", 0.05),
    "a header": (_HEAD + b"X: ", b"a", 0.05),
    "headers": (_HEAD, b"X: a\r\n", 0.05),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
    "a flood of 100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.0),
    "a body": (_HEAD + b"Content-Length: 9999999\r\n\r\n", b" ", 0.05),
    "the size of a chunk": (_CHUNKED, b"0", 0.05),
    "chunks": (_CHUNKED, b"1\r\n \r\n", 0.05),
    "a trailer": (_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: a\r\n", 0.05),
    "a flood of trailers": (_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: a\r\n" * 1000, 0.0),
}


@contextmanager
def dripping(first: bytes, more: bytes, pause_s: float) -> Iterator[str]:
    """Serve connections that send `first`, and then `more` until they are closed."""
    stopped = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.recv(65536)
            connection.sendall(first)
            while not stopped.is_set():
                connection.sendall(more)
                stopped.wait(pause_s)

    def accept() -> None:
        while not stopped.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopped.set()
            for thread in (acceptor, *threads):
                thread.join()


def given_up(base: str) -> VendorError:
    """Return how a call ended, which must not take long."""
    channel = Channel("DingTalk", base, clock=monotonic, limits=LIMITS)
    began_s = monotonic()
    try:
        with pytest.raises(VendorError) as caught:
            channel.send(Call("gettoken"))
    finally:
        channel.close()
    assert monotonic() - began_s < PATIENCE_S
    return caught.value


@pytest.mark.parametrize("drip", DRIPS)
def test_a_vendor_that_drips_is_cut_when_its_time_is_over(drip: str) -> None:
    with dripping(*DRIPS[drip]) as address:
        error = given_up(f"http://{address}")

    assert isinstance(error, VendorUnreachableError)
    assert (error.policy, error.maybe_done) == (ErrorPolicy.RETRY, True)
    assert "in time" in str(error)


@pytest.mark.parametrize("drip", ["a status line", "headers"])
def test_a_proxy_that_drips_while_it_connects_is_cut_as_well(
    drip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dripping(*DRIPS[drip]) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        error = given_up("https://vendor.invalid")

    assert isinstance(error, VendorUnreachableError)
    assert error.policy is ErrorPolicy.RETRY


@pytest.mark.parametrize("fault", [b"", b"\x16\x03\x01"])
def test_a_server_that_drips_instead_of_encrypting_is_cut(fault: bytes) -> None:
    with dripping(fault, b"\x16", 0.05) as address:
        error = given_up(f"https://{address}")

    assert isinstance(error, VendorUnreachableError)


def test_an_answer_in_slow_pieces_counts_where_it_is_in_time() -> None:
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Le", b'ngth: 13\r\n\r\n{"errc', b'ode":0}']
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)
                    threading.Event().wait(0.02)

        thread = threading.Thread(target=serve)
        thread.start()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        channel = Channel(
            "DingTalk", base, clock=monotonic, limits=Limits(read_s=20.0, total_s=5.0)
        )
        answer = channel.send(Call("gettoken"))
        channel.close()
        thread.join()

    assert answer == {"errcode": 0}
