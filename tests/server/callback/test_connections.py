"""What arrives on the wire: half, too much, too slow, too many, or no HTTP at all."""

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.callback import limits
from server.callback.limits import (
    BODY_LIMIT_BYTES,
    FRAMING_LIMIT_BYTES,
    HEADER_LIMIT_BYTES,
    READ_LIMIT_BYTES,
    Timeouts,
)
from tests.server.callback.service import (
    PATH,
    Service,
    post,
    read_answer,
    request_of,
    sealed,
    sender_for,
    serving,
)
from tests.waiting import until

EVENT = {"EventType": "user_add_org", "eventId": "e1"}
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
HURRIED = Timeouts(idle_s=0.2, request_s=0.2)


def chunked(*chunks: bytes, target: str = PATH) -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in chunks) + b"0\r\n\r\n"


def test_one_mebibyte_is_read_and_more_is_413(service: Service) -> None:
    assert service.exchange(post(PATH, b"x" * BODY_LIMIT_BYTES)).status == 400
    assert service.exchange(post(PATH, b"x" * (BODY_LIMIT_BYTES + 1))).status == 413
    assert service.exchange(post(PATH, b"x" * (2 * BODY_LIMIT_BYTES))).status == 413


def test_the_limit_holds_for_chunks_too(service: Service) -> None:
    half = b"x" * (BODY_LIMIT_BYTES // 2)
    assert service.exchange(chunked(half, half)).status == 400
    assert service.exchange(chunked(half, half, b"x")).status == 413


def test_a_genuine_callback_may_come_in_chunks(service: Service) -> None:
    head, _, body = request_of(sealed(EVENT)).partition(b"\r\n\r\n")
    target = head.split(b" ")[1].decode()
    assert service.exchange(chunked(body[:7], body[7:], target=target)).status == 200
    assert [event.event_id for event in service.events()] == ["e1"]


def test_a_body_beyond_all_measure_is_refused_before_it_is_sent(service: Service) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: h\r\nContent-Length: {READ_LIMIT_BYTES}\r\n"
    assert service.exchange(f"{head}\r\n".encode()).status == 413
    assert service.exchange(f"{head}Expect: 100-continue\r\n\r\n".encode()).status == 413


def test_endless_chunk_sizes_and_trailers_are_refused(service: Service) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    endless = b"1" * (2 * HEADER_LIMIT_BYTES)
    assert service.exchange(head, endless).status == 400
    assert service.exchange(head, b"0\r\na: " + endless).status == 400


def test_huge_headers_are_431(service: Service) -> None:
    huge = f"GET / HTTP/1.1\r\nHost: h\r\nX: {'x' * 2 * HEADER_LIMIT_BYTES}\r\n\r\n".encode()
    assert service.exchange(huge).status == 431


def test_the_continuation_is_given_where_a_body_follows(service: Service) -> None:
    head, _, body = request_of(sealed(EVENT), headers="Expect: 100-continue\r\n").partition(
        b"\r\n\r\n"
    )
    with service.connect() as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert read_answer(connection).status == 100
        connection.sendall(body)
        assert read_answer(connection).status == 200


def test_no_continuation_is_waited_for_where_no_body_follows(service: Service) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n"
    assert service.exchange(request).status == 200


@pytest.mark.parametrize("extra", [b"", b"Connection: keep-alive\r\n"])
def test_http_1_0_is_served(service: Service, extra: bytes) -> None:
    assert service.exchange(b"GET /healthz HTTP/1.0\r\n" + extra + b"\r\n").status == 200


def test_a_connection_is_kept_and_used_again(service: Service) -> None:
    with service.connect() as connection:
        for number in range(20):
            connection.sendall(request_of(sealed({**EVENT, "eventId": f"e{number}"})))
            assert read_answer(connection).status == 200
    assert len(service.events()) == 20


def test_pipelined_requests_are_answered_in_their_order(service: Service) -> None:
    genuine = request_of(sealed(EVENT))
    wanted = [200, 404, 403, 200, 400]
    stranger = post(f"{PATH}?signature=s&timestamp=1&nonce=n", b'{"encrypt":"x"}')
    last = b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    missing = b"GET /no HTTP/1.1\r\nHost: h\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(genuine + missing + stranger + HEALTH + last)
        received = b""
        while more := connection.recv(65536):
            received += more
    assert wanted == [int(one[:3]) for one in received.split(b"HTTP/1.1 ")[1:]]


def test_a_half_closed_connection_is_answered(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(request_of(sealed(EVENT)))
        connection.shutdown(socket.SHUT_WR)
        assert read_answer(connection).status == 200


def test_who_leaves_before_the_answer_disturbs_nobody(service: Service) -> None:
    for number in range(50):
        with service.connect() as connection:
            connection.sendall(request_of(sealed({**EVENT, "eventId": f"gone{number}"})))
    assert service.call(sealed(EVENT)).status == 200
    until(lambda: len(service.events()) == 51)


GARBAGE = [
    b"\r\n\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nA\0B: x\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET http://h:99999/ HTTP/1.1\r\nHost: h\r\n\r\n",
    b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"POST / HTTP/1.1\r\nContent-Length: 9999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"* * *\r\n\r\n",
    b"a" * 5000 + b"\r\n\r\n",
    bytes(range(256)) * 8 + b"\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage[:24]))
def test_garbage_is_refused_without_a_traceback(service: Service, garbage: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while more := connection.recv(65536):
            received += more
    assert b"Traceback" not in received
    assert b" 500 " not in received
    assert service.exchange(HEALTH).status == 200


@pytest.mark.parametrize(
    "half",
    [b"P", b"GET /healthz HTTP/1.1\r\nHost:", post(PATH, b"x" * 100)[:-1], chunked(b"abc")[:-9]],
    ids=["a byte", "half a header", "half a body", "half the chunks"],
)
def test_a_half_sent_request_gets_408(
    service: Service, half: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    answer = service.exchange(half)
    assert (answer.status, answer.headers["connection"].lower()) == (408, "close")


def test_a_byte_now_and_then_does_not_keep_a_request_alive(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    stopped = threading.Event()
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        trickle = threading.Thread(target=send_slowly, args=(connection, stopped))
        trickle.start()
        status = read_answer(connection).status
        stopped.set()
        trickle.join()
    assert status == 408


def send_slowly(connection: socket.socket, stopped: threading.Event) -> None:
    while not stopped.wait(0.02):
        try:
            connection.sendall(b"x")
        except OSError:
            return


def test_an_idle_connection_is_closed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    with service.connect() as connection:
        assert connection.recv(1) == b""


def test_who_reads_no_answers_loses_the_connection(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", service.port))
        connection.settimeout(0.5)
        send_until_stuck(connection, HEALTH * 1000)
        until(lambda: not service.listener._server.active_channels)


def send_until_stuck(connection: socket.socket, request: bytes) -> None:
    try:
        while True:
            connection.sendall(request)
    except OSError:  # reset, broken pipe or timeout, by the moment
        return


def test_large_unfinished_requests_are_given_up_before_memory_is(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.callback.listener.HELD_LIMIT_BYTES", 2 * BODY_LIMIT_BYTES)
    half = post(PATH, b"x" * BODY_LIMIT_BYTES)[:-1]
    with ExitStack() as stack:
        crowd = [stack.enter_context(service.connect()) for _ in range(4)]
        for connection in crowd:
            connection.sendall(half)
        assert [read_answer(one).status for one in crowd[:2]] == [408, 408]
        assert service.call(sealed(EVENT)).status == 200
        assert service.listener._server.held_bytes <= 2 * BODY_LIMIT_BYTES
    until(lambda: service.listener._server.held_bytes == 0)


def test_of_the_large_ones_no_more_are_given_up_than_need_be(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.callback.listener.HELD_LIMIT_BYTES", BODY_LIMIT_BYTES + 1000)
    large = post(PATH, b"x" * BODY_LIMIT_BYTES)
    small = request_of(sealed(EVENT))
    with service.connect() as patient, service.connect() as one, service.connect() as other:
        patient.sendall(small[:-1])
        one.sendall(large[:-1])
        other.sendall(large[:-1])
        statuses = sorted(read_answer(each).status for each in (one, other) if is_answered(each))
        assert statuses == [408]
        patient.sendall(small[-1:])
        assert read_answer(patient).status == 200


def is_answered(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 1)[0])


def test_a_connection_with_requests_before_the_unfinished_one_is_served_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fixture fails on any error in the log."""
    monkeypatch.setattr("server.callback.listener.HELD_LIMIT_BYTES", 0)
    with service.connect() as connection:
        connection.sendall(HEALTH * 20 + post(PATH, b"x" * 1000)[:-1])
        statuses = [read_answer(connection).status]
        assert statuses == [200]
    assert service.exchange(HEALTH).status == 200


def test_a_flood_from_one_address_is_one_line(service: Service) -> None:
    with service.connect() as connection:
        for _ in range(200):
            connection.sendall(post(PATH, b"garbage") * 50)
            for _ in range(50):
                received = b""
                while not received.endswith(b"not a callback\n"):
                    received += connection.recv(1)
    (line,) = service.rejections.snapshot()
    assert (line.cause, line.count) == ("not_a_callback", 10_000)


def test_genuine_calls_get_through_a_flood_of_garbage(service: Service) -> None:
    stopped = threading.Event()
    flooders = [
        threading.Thread(target=flood, args=(service, stopped, post(PATH, b"garbage")))
        for _ in range(4)
    ]
    for flooder in flooders:
        flooder.start()
    with sender_for(service.port) as sender:
        deliveries = [sender.deliver({**EVENT, "eventId": f"e{n}"}) for n in range(50)]
    stopped.set()
    for flooder in flooders:
        flooder.join()
    assert [delivery.fault for delivery in deliveries] == [None] * 50
    assert len(service.events()) == 50


def flood(service: Service, stopped: threading.Event, garbage: bytes) -> None:
    while not stopped.is_set():
        service.exchange(garbage)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.RELAXED.request_s > HURRIED.request_s
    monkeypatch.setattr("server.callback.listener.RELAXED", HURRIED)


def test_answers_cut_by_a_reset_are_no_error(service: Service) -> None:
    """The fixture fails on any error in the log."""
    for _ in range(20):
        connection = service.connect()
        connection.sendall(HEALTH * 40)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert service.exchange(HEALTH).status == 200


def test_a_body_that_is_mostly_framing_is_refused(service: Service) -> None:
    crumbs = chunked(*[b"x"] * 2000)
    assert service.exchange(crumbs[: FRAMING_LIMIT_BYTES * 2]).status == 400


def test_a_body_in_sensible_chunks_is_not(service: Service) -> None:
    text = sealed({**EVENT, "text": "x" * 100_000})
    head, _, body = request_of(text).partition(b"\r\n\r\n")
    pieces = [body[start : start + 512] for start in range(0, len(body), 512)]
    target = head.split(b" ")[1].decode()
    assert service.exchange(chunked(*pieces, target=target)).status == 200


@pytest.fixture
def few_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service with room for two dozen connections."""
    monkeypatch.setattr("server.callback.listener.connection_limit", lambda: 24)
    with serving(tmp_path / "j.db") as service:
        yield service


def test_a_clock_set_back_takes_no_place_from_a_genuine_call(
    few_places: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = time.time
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(few_places.connect())
        until(lambda: few_places.listener._server.is_full)
        monkeypatch.setattr(time, "time", lambda: now_s() - 3600)
        for number in range(3):
            assert few_places.call(sealed({**EVENT, "eventId": f"e{number}"})).status == 200


def test_who_sends_a_byte_now_and_then_gives_way_to_a_genuine_call(few_places: Service) -> None:
    stopped = threading.Event()
    with ExitStack() as stack:
        crowd = [stack.enter_context(few_places.connect()) for _ in range(60)]
        drips = [threading.Thread(target=send_slowly, args=(one, stopped)) for one in crowd]
        for drip in drips:
            drip.start()
        until(lambda: few_places.listener._server.is_full)
        started = time.monotonic()
        assert few_places.call(sealed(EVENT)).status == 200
        elapsed_s = time.monotonic() - started
        stopped.set()
        for drip in drips:
            drip.join()
    assert elapsed_s < limits.TIGHT.request_s
