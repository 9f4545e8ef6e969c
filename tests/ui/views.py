"""Statuses for tests that need no service."""

from dataclasses import replace

from server.api.status import (
    CredentialSetView,
    CredentialsView,
    EventCounts,
    Level,
    Notice,
    ServiceView,
    Status,
    SyncView,
)
from server.errors.message import Message
from ui.words.health import StatusSnapshot

NOW_MS = 1_795_000_000_000
DAY_MS = 24 * 60 * 60 * 1000
USED = CredentialSetView(
    "••••", "Ab••••39", "dingkey", first_used_at_ms=NOW_MS, last_used_at_ms=NOW_MS, calls=1
)
FINE = Status(
    service=ServiceView(is_running=True, address="http://127.0.0.1:8080/api/callback"),
    credentials=CredentialsView(active=USED, in_use="active"),
    doctor=None,
    events=EventCounts(),
    sync=SyncView(is_enabled=False),
    notices=(),
)
UNSET = replace(FINE, credentials=CredentialsView())


def snapshot(status: Status = FINE) -> StatusSnapshot:
    return StatusSnapshot(status, NOW_MS)


def notice(level: Level, code: str = "made-up") -> Notice:
    return Notice(code, level, Message(f"A {level}."), Message("Do this."))


def with_notices(*notices: Notice) -> Status:
    return replace(FINE, notices=notices)
