"""A service whose duties are done by the test: the housekeeper's thread waits for an hour."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from crypto.credentials import Credentials, Keyring
from server.api.app import App
from server.api.status import EventView
from server.config.paths import DataFolder
from server.config.store import Config, ConfigStore
from server.errors.base import Trouble
from server.service.instance import running_service
from server.service.logs import SecretMask
from server.service.service import Service
from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from server.simulator.dingtalk.reply import ReplyFault
from tests.crypto.made_up import SETS
from tests.server.clocks import WallClock
from tests.server.folders import app_on
from tests.server.simulator.seeds import seeded

OLD, NEW, NEWEST = SETS


@dataclass
class Store(ConfigStore):
    """A real store that lets a test act in the middle of a reload."""

    folder: DataFolder
    after_load: list[Callable[[], object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.folder)

    def load(self) -> Config:
        config = super().load()
        while self.after_load:
            self.after_load.pop()()
        return config


@dataclass
class Driven:
    """A service that is driven by the test: its housekeeper waits, the test does the duties."""

    folder: DataFolder
    store: Store
    clock: WallClock
    service: Service
    mask: SecretMask

    def accepts(
        self, credentials: Credentials, event: bytes = b'{"EventType":"check_url"}'
    ) -> bool:
        return self.fault(credentials, event) is None

    def fault(self, credentials: Credentials, event: bytes) -> ReplyFault | None:
        with CallbackSender(
            self.service.address,
            credentials.token.reveal(),
            credentials.aes_key.reveal(),
            credentials.key,
            rng=seeded(1),
            patience=Patience(deadline_s=10),
        ) as sender:
            return sender.attempt(event).fault

    def tick(self) -> None:
        self.service.housekeeper.tick()

    def enter(self, credentials: Credentials) -> None:
        app_on(self.folder.root, **texts(credentials))

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        record = running_service(self.folder)
        assert record is not None
        return record.troubles

    @property
    def refuses(self) -> bool:
        """Whether a genuine call is answered with 503, so that DingTalk sends it again."""
        return self.fault(OLD, b'{"EventType":"t","eventId":"r"}') is ReplyFault.WRONG_STATUS

    def events(self) -> tuple[EventView, ...]:
        return App(self.folder).events().events

    def stored(self) -> Keyring:
        return ConfigStore(self.folder).load().secrets.keyring


def texts(credentials: Credentials) -> dict[str, str]:
    return {
        "token": credentials.token.reveal(),
        "aes_key": credentials.aes_key.reveal(),
        "key": credentials.key,
    }


def driven(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> Driven:
    """Put a service together that is not started yet."""
    monkeypatch.setattr("server.service.housekeeper._TICK_S", 3600.0)
    clock, store, mask = WallClock(), Store(folder), SecretMask()
    service = Service(folder, store, mask, clock)
    # A promotion wakes the housekeeper; here the test decides when its duties are done.
    monkeypatch.setattr(service, "wake", lambda: None)
    return Driven(folder, store, clock, service, mask)


def spoil(conn: sqlite3.Connection) -> None:
    """Point the table to a page that is not there, as after a bad write; take note of it anew."""
    (page,) = conn.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()
    conn.execute("PRAGMA writable_schema = ON")
    conn.execute("UPDATE sqlite_schema SET rootpage = 999999 WHERE rootpage = ?", (page,))
    conn.execute("PRAGMA schema_version = 4711")
