"""What the watch tells when nobody looks: each cause once, the gravest first."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.api.status import Level, Notice, Status
from server.config.settings import Language
from server.errors.base import DingBridgeError, JournalBusyError
from server.errors.message import Message
from tests.ui.at_once import SessionAtOnce
from tests.ui.views import FINE, with_notices
from ui.shell.tray import Switches, Tray, TrayState
from ui.shell.watch import Watch
from ui.state.session import Session
from ui.words.health import Health, StatusSnapshot
from ui.words.text import Texts

TEXTS = Texts(Language.ENGLISH)


@dataclass
class Room:
    """A session whose workers begin when they are told to, and the tray that it shows itself in."""

    status: Status = FINE
    texts: Texts = TEXTS
    snapshots: list[StatusSnapshot] = field(default_factory=list)
    trouble: Exception | None = None
    is_seen: bool = False
    asked: list[Callable[[], object]] = field(default_factory=list)
    timers: dict[str, Callable[[], object]] = field(default_factory=dict)
    states: list[TrayState] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    mistakes: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = SimpleNamespace(is_serving=True, status=self._read)
        self.root = SimpleNamespace(after=self._after, after_cancel=self.timers.pop)
        tray = SimpleNamespace(
            show=self.states.append, notify=lambda *words: self.told.append(words)
        )
        self.watch = Watch(
            cast("Session", self),
            cast("Tray", tray),
            lambda: Switches(Language.ENGLISH),
            lambda: self.is_seen,
        )

    def _read(self) -> Status:
        if self.trouble is not None:
            raise self.trouble
        return self.status

    def _after(self, pause_ms: int, call: Callable[[], object]) -> str:
        del pause_ms
        name = f"timer {len(self.timers)}"
        self.timers[name] = call
        return name

    @property
    def snapshot(self) -> StatusSnapshot | None:
        return self.snapshots[-1] if self.snapshots else None

    def take(self, snapshot: StatusSnapshot) -> None:
        self.snapshots.append(snapshot)

    def say(self, message: Message) -> str:
        return self.texts.of(message)

    def ask(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], object],
        failed: Callable[[DingBridgeError], object] | None = None,
        ended: Callable[[], object] | None = None,
    ) -> None:
        at_once = SessionAtOnce(self.app, mistakes=self.mistakes)
        self.asked.append(partial(at_once.ask, job, done, failed, ended))

    def work(self) -> None:
        """Do all that was asked for, and what is asked for in turn."""
        while self.asked:
            self.asked.pop(0)()

    def look(self, *notices: Notice) -> None:
        """Have a status with these notices come in."""
        self.status = with_notices(*notices)
        self.watch.look()
        self.work()


@pytest.fixture
def room() -> Room:
    return Room()


def _notice(code: str, level: Level = Level.WARNING) -> Notice:
    return Notice(code, level, Message(f"{code} title"), Message(f"{code} hint"))


def _words(*codes: str) -> list[tuple[str, str]]:
    return [(f"{code} title", f"{code} hint") for code in codes]


def test_of_several_new_causes_each_is_told_once_in_the_order_of_gravity(room: Room) -> None:
    room.look(_notice("one"), _notice("two"), _notice("three"))

    assert room.told == _words("one", "two", "three")


def test_a_cause_that_stays_is_not_told_again(room: Room) -> None:
    room.look(_notice("one"))
    room.look(_notice("one"), _notice("two"))
    room.look(_notice("two"), _notice("one"))

    assert room.told == _words("one", "two")


def test_a_cause_that_comes_back_is_told_again(room: Room) -> None:
    for notices in ((_notice("one"),), (), (_notice("one"),)):
        room.look(*notices)

    assert room.told == _words("one", "one")


def test_what_somebody_saw_in_the_window_is_not_told_afterwards(room: Room) -> None:
    room.is_seen = True
    room.look(_notice("one"))
    room.is_seen = False
    room.look(_notice("one"), _notice("two"))

    assert room.told == _words("two")


@pytest.mark.parametrize(
    "notice", [_notice("one", Level.INFO), _notice("not-set-up"), _notice("no-contact")]
)
def test_what_needs_nobody_or_is_told_by_the_guide_calls_nobody(room: Room, notice: Notice) -> None:
    room.look(notice)

    assert room.told == []


def test_the_tray_shows_the_state_with_each_status(room: Room) -> None:
    room.look()
    room.look(_notice("one"))

    assert [state.health for state in room.states] == [Health.WORKING, Health.ATTENTION]


def test_a_refused_status_is_told_with_the_next_one_and_the_looking_goes_on(room: Room) -> None:
    refusal = JournalBusyError(path="made-up.db")
    room.app.is_serving = False
    room.trouble = refusal
    room.look()
    assert (room.snapshots, len(room.timers)) == ([], 1)

    room.trouble = None
    room.look()
    room.app.is_serving = True
    room.look()
    assert [snapshot.failure for snapshot in room.snapshots] == [refusal, None]


def test_while_an_answer_is_awaited_nothing_more_is_asked_for(room: Room) -> None:
    for _ in range(3):
        room.watch.look()
    assert len(room.asked) == 1

    room.asked.pop(0)()  # it may be older than what somebody looks for now: it is asked anew
    assert len(room.asked) == 2  # the tray's state, and the status
    room.work()
    assert len(room.timers) == 1


def test_after_a_mistake_of_ours_the_next_look_asks_again(room: Room) -> None:
    room.trouble = RuntimeError("a mistake of ours")
    room.look()
    assert (room.mistakes, room.snapshots) == ([room.trouble], [])

    room.trouble = None
    room.look()
    assert len(room.snapshots) == 1


def test_a_question_that_is_never_answered_is_asked_again_in_the_end(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr("ui.shell.watch.monotonic", lambda: now_s)
    room.watch.look()
    now_s += 19
    room.watch.look()
    assert len(room.asked) == 1

    now_s += 2
    room.watch.look()
    assert len(room.asked) == 2


def test_a_state_is_shown_before_the_first_status(room: Room) -> None:
    state = room.watch.tray_state()

    assert state.health is Health.NOT_SET_UP
    assert "DingBridge is starting." in state.tip
