"""Makes thousands of runs affordable: no sockets, and a world that goes back to where it was.

Everything else is as it is in earnest: tokens, error tables, retries, the engine, the journal on
the disk. What HTTP does to an exchange is tested with `server.rest`.
"""

import json
from collections.abc import Callable
from sqlite3 import Connection
from typing import Any

import pytest

from server.rest.session import Call, Channel
from server.simulator.httpd import Request
from tests.server.sync.world import World


def call_directly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clients call the simulated vendors as functions, with the faults between them."""

    def send(channel: Channel, call: Call) -> dict[str, Any]:
        server = next(each for each in world.servers if each.address == channel.base)
        secrets = {name: secret.reveal() for name, secret in call.secrets.items()}
        method, body = "GET", b""
        if call.body is not None:
            method, body = "POST", json.dumps(call.body, ensure_ascii=False).encode()
        request = Request(method, f"/{call.path}", {**call.query, **secrets}, {}, body)
        reply = server.handler(request)
        assert reply is not None
        world.engine.client_pool.vendor_clock.hear(channel.vendor, world.date())
        answer: dict[str, Any] = json.loads(reply.body)
        return answer

    monkeypatch.setattr(Channel, "send", send)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return value.copy() if isinstance(value, set | list) else value


def _state(thing: object) -> dict[str, Any]:
    kinds = (dict, set, list, type(None))
    return {name: _copied(value) for name, value in vars(thing).items() if isinstance(value, kinds)}


def checkpoint(world: World) -> Callable[[], None]:
    """Return what brings both companies, the journal and the clock back to how they are now."""
    directory = world.wecom.directory
    things = (world.company, world.company.roster, directory, directory.tree)
    states = [_state(thing) for thing in things]
    rows = world.journal.run(_rows).result(60)
    now_ms = world.now_ms

    def rewind() -> None:
        world.dingtalk_faults.switch_off()
        world.wecom_faults.switch_off()
        world.dingtalk_faults.injected.clear()
        world.wecom_faults.injected.clear()
        world.engine.client_pool.retry_rejected_credentials()
        for thing, state in zip(things, states, strict=True):
            vars(thing).update(_copied(state))
        world.journal.run(lambda conn: _put_back(conn, rows)).result(60)
        world.now_ms = now_ms

    return rewind


def _rows(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
    names = conn.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    )
    return {
        name: [tuple(row) for row in conn.execute(f'SELECT * FROM "{name}"')]  # noqa: S608 - a table's own name
        for (name,) in names.fetchall()
    }


def _put_back(conn: Connection, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    conn.execute("PRAGMA defer_foreign_keys = ON")
    for name, kept in rows.items():
        conn.execute(f'DELETE FROM "{name}"')  # noqa: S608 - a table's own name
        if kept:
            gaps = ", ".join("?" * len(kept[0]))
            conn.executemany(f'INSERT INTO "{name}" VALUES ({gaps})', kept)  # noqa: S608
