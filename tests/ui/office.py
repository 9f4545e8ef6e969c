"""An office with DingBridge in it: a data folder with values, events, and a DingTalk that calls."""

import random
from contextlib import closing
from pathlib import Path

from server.api.app import App
from server.config.paths import DataFolder
from server.journal import events
from server.journal.connection import connect, transaction
from server.service.service import now_ms
from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from server.simulator.dingtalk.payloads import CONTACT_EVENTS, EventMaker, check_url

TOKEN = "madeUpToken2026"
AES_KEY = "AbCdEf0123456789AbCdEf0123456789AbCdEf01239"
KEY = "dingmadeupappkey"
CORP_ID = "ding00000000000000000000000000000000"


def office(folder: Path, language: str = "en", *, is_set_up: bool = True) -> App:
    """Return a facade whose service will listen on a free port of this computer."""
    app = App(DataFolder(folder))
    values = {"token": TOKEN, "aes_key": AES_KEY, "key": KEY} if is_set_up else {}
    callback = {"host": "127.0.0.1", "port": 0, **values}
    app.configure({"callback": callback, "ui": {"language": language}})
    return app


def dingtalk(
    app: App, token: str = TOKEN, aes_key: str = AES_KEY, key: str = KEY
) -> CallbackSender:
    """Return a DingTalk that calls the office's address."""
    address = app.status().service.address
    rng = random.Random(2026)  # noqa: S311 - repeatable, not secret
    return CallbackSender(
        address, token, aes_key, key, rng=rng, patience=Patience(compression=1000)
    )


def check_address(app: App, **values: str) -> None:
    """Call as DingTalk does when Save is pressed in its console."""
    with dingtalk(app, **values) as sender:
        sender.attempt(b'{"EventType":"check_url"}')


def send_events(app: App, count: int, seed: int = 7) -> None:
    """Send contact events of all kinds; the same seed sends the same events once more."""
    maker = EventMaker(random.Random(seed), CORP_ID, now_ms)  # noqa: S311 - repeatable, not secret
    with dingtalk(app) as sender:
        sender.deliver(check_url())
        for number in range(count):
            sender.deliver(maker.any_of(CONTACT_EVENTS[number % len(CONTACT_EVENTS)]))


def let_age(app: App) -> None:
    """Spread the events over the last days, and let the worker have had some of them."""
    day_ms = 24 * 60 * 60 * 1000
    with closing(connect(app.folder.database)) as conn, transaction(conn):
        ids = [event.id for event in events.claim(conn, 1000, now_ms())]
        events.complete(conn, ids[: len(ids) * 2 // 3])
        events.ignore(conn, ids[len(ids) * 2 // 3 : -4])
        for event_id in ids[-4:-2]:
            events.fail(conn, event_id, "60104: the mobile belongs to another member", None)
        for place, event_id in enumerate(ids):
            back = round((1 - place / len(ids)) ** 1.3 * 6 * day_ms)
            conn.execute(
                "UPDATE events SET received_at_ms = received_at_ms - ? WHERE id = ?",
                (back, event_id),
            )
