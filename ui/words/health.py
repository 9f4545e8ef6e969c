"""Whether all is well: the four states of the tray icon, and what stands behind each.

Pure: what the facade tells goes in, what people are shown comes out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from server.api.status import CredentialSetView, Level, Notice, Status
from server.errors.base import DingBridgeError
from server.errors.message import N_, Message

_DAY_MS = 24 * 60 * 60 * 1000
# Contact events come with every change of the directory; a company is rarely still for so long.
LONG_SILENCE_MS = 14 * _DAY_MS


class Health(StrEnum):
    """The program's state in one word, in order of gravity."""

    WORKING = "working"
    NOT_SET_UP = "not-set-up"
    ATTENTION = "attention"
    BROKEN = "broken"


HEALTH_WORDS = {
    Health.NOT_SET_UP: N_("Not set up"),
    Health.WORKING: N_("Working"),
    Health.ATTENTION: N_("Needs attention"),
    Health.BROKEN: N_("Stopped: needs your attention"),
}


@dataclass(frozen=True, slots=True)
class StatusSnapshot:
    """What the windows show of one moment. Times in milliseconds since 1970.

    `failure` is why the service of this program does not run, None where it does. `asked_at_s` is
    when the status was asked for, by the monotonic clock: what changed later may be missing in it.
    """

    status: Status
    now_ms: int
    failure: DingBridgeError | None = None
    asked_at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state, a line that tells it, and what asks for a person, the gravest first."""

    health: Health
    headline: Message
    attention: tuple[Notice, ...]


def judge(snapshot: StatusSnapshot) -> Verdict:
    """Sum up a moment."""
    attention = tuple(_attention(snapshot))
    health = _health(snapshot, attention)
    return Verdict(health, _headline(health, attention), attention)


def last_contact(status: Status) -> CredentialSetView | None:
    """Return the set that DingTalk used last, None before its first genuine call."""
    sets = status.credentials
    used = [
        one
        for one in (sets.active, sets.pending, sets.previous)
        if one is not None and one.last_used_at_ms is not None
    ]
    return max(used, key=lambda one: one.last_used_at_ms or 0, default=None)


def _attention(snapshot: StatusSnapshot) -> Iterator[Notice]:
    status = snapshot.status
    if snapshot.failure is not None:
        failure = snapshot.failure
        yield Notice(failure.code, Level.ERROR, failure.title, failure.hint)
    elif not status.service.is_running:
        yield _STOPPED
    yield from (notice for notice in status.notices if notice.level is not Level.INFO)
    if status.credentials.active is not None:
        yield from _silence(snapshot)
    yield from (notice for notice in status.notices if notice.level is Level.INFO)


def _silence(snapshot: StatusSnapshot) -> Iterator[Notice]:
    contact = last_contact(snapshot.status)
    if contact is None:
        yield _NO_CONTACT
        return
    silent_ms = snapshot.now_ms - (contact.last_used_at_ms or 0)
    if silent_ms > LONG_SILENCE_MS:
        text = N_("No request from DingTalk for {days} days.")
        yield Notice(
            "long-silence",
            Level.WARNING,
            Message(text, {"days": silent_ms // _DAY_MS}),
            Message(
                N_(
                    "Press Save again in the DingTalk console; DingTalk then sends a request at "
                    "once. If nothing arrives, this computer can no longer be reached at that "
                    "address."
                )
            ),
        )


def _health(snapshot: StatusSnapshot, attention: tuple[Notice, ...]) -> Health:
    if snapshot.status.credentials.active is None and snapshot.failure is None:
        others = {one.code for one in attention if one.level is Level.ERROR} - {"not-set-up"}
        return Health.BROKEN if others else Health.NOT_SET_UP
    levels = {notice.level for notice in attention}
    if Level.ERROR in levels:
        return Health.BROKEN
    return Health.ATTENTION if Level.WARNING in levels else Health.WORKING


def _headline(health: Health, attention: tuple[Notice, ...]) -> Message:
    if health is Health.WORKING:
        return Message(N_("All is well: DingTalk's events are being received."))
    if health is Health.NOT_SET_UP:
        return Message(N_("Not set up yet."))
    gravest = next(one for one in attention if one.level is not Level.INFO)
    return gravest.title


_STOPPED = Notice(
    "not-running",
    Level.ERROR,
    Message(N_("The service is not running: DingTalk's events are not being received.")),
    Message(N_("Start it again. If it stops again, the log file has the details.")),
)
_NO_CONTACT = Notice(
    "no-contact",
    Level.WARNING,
    Message(N_("No request from DingTalk yet.")),
    Message(
        N_("Enter the address and the three values in the DingTalk console and press Save there.")
    ),
)
