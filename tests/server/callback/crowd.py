"""A crowd at the door, in a process of its own: PORT, how many half-sent, how many genuine calls.

Prints the status of every genuine call and the longest time that one took, as JSON.
"""

import json
import socket
import sys
import time

from server.simulator.dingtalk.callbacks import CallbackSender, Patience, event_text
from tests.server.callback.service import AES_KEY, KEY, PATH, TOKEN, read_answer, request_of
from tests.server.simulator.seeds import seeded

HALVES = (b"P", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{", b"GET / HTTP/1.1\r\nHost: ")


def main(port: int, half_sent: int, genuine: int) -> None:
    sender = CallbackSender(
        f"http://127.0.0.1:{port}{PATH}", TOKEN, AES_KEY, KEY, rng=seeded(1), patience=Patience()
    )
    events = [{"EventType": "t", "eventId": f"crowd{number}"} for number in range(genuine)]
    requests = [request_of(sender.sealed(event_text(event))) for event in events]
    crowd = [half_request(port, number) for number in range(half_sent)]
    statuses, seconds = [], []
    for request in requests:
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(request)
            statuses.append(read_answer(connection).status)
        seconds.append(time.monotonic() - started)
    for connection in crowd:
        connection.close()
    json.dump({"statuses": statuses, "seconds": seconds}, sys.stdout)


def half_request(port: int, number: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(HALVES[number % len(HALVES)])
    return connection


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
