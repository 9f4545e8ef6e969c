from collections.abc import Callable
from types import SimpleNamespace

import pytest

from server.api.status import RunSummary
from server.errors.base import JournalBusyError
from server.errors.message import Message
from tests.ui.at_once import SessionAtOnce
from ui.state.sync_commands import SyncCommands

PREVIEW = RunSummary(
    1, Message("asked"), is_full=True, started_at_ms=1, finished_at_ms=2, status="preview"
)


def _session(order: Callable[..., RunSummary]) -> SessionAtOnce:
    return SessionAtOnce(SimpleNamespace(mirror=SimpleNamespace(order=order)))


def _commands(session: SessionAtOnce) -> SyncCommands:
    return SyncCommands(session.app, session.ask, session.windows, lambda: session.texts)


@pytest.mark.parametrize(
    "trouble", [JournalBusyError(path="made-up.db"), KeyError("a mistake of ours")], ids=str
)
def test_an_order_that_came_to_nothing_is_waited_for_no_longer(trouble: Exception) -> None:
    ordered: list[bool] = []

    def order(**_: object) -> RunSummary:
        ordered.append(commands.is_waiting)
        if len(ordered) == 1:
            raise trouble
        return PREVIEW

    session = _session(order)
    commands = _commands(session)
    commands.preview()
    assert not commands.is_waiting
    assert [*session.refusals, *session.mistakes] == [trouble]

    commands.preview()
    assert ordered == [True, True]
    assert commands.answered == 2
    assert session.told == ["The preview is ready; nothing was written."]


def test_while_one_is_waited_for_another_is_not_ordered() -> None:
    ordered: list[str] = []

    def order(**_: object) -> RunSummary:
        ordered.append("order")
        commands.sync()  # somebody presses again
        return PREVIEW

    commands = _commands(_session(order))
    commands.preview()
    assert ordered == ["order"]
