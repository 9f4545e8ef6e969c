from collections.abc import Callable
from types import SimpleNamespace

import pytest

from server.errors import JournalBusyError
from server.message import Message
from server.status import RunSummary
from tests.ui.at_once import SessionAtOnce
from ui.state.orders import SyncOrders

PREVIEW = RunSummary(
    1, Message("asked"), is_full=True, started_at_ms=1, finished_at_ms=2, status="preview"
)


def _session(order: Callable[..., RunSummary]) -> SessionAtOnce:
    return SessionAtOnce(SimpleNamespace(mirror=SimpleNamespace(order=order)))


def _orders(session: SessionAtOnce) -> SyncOrders:
    return SyncOrders(session.app, session.ask, session.windows, lambda: session.texts)


@pytest.mark.parametrize(
    "trouble", [JournalBusyError(path="made-up.db"), KeyError("a mistake of ours")], ids=str
)
def test_an_order_that_came_to_nothing_is_waited_for_no_longer(trouble: Exception) -> None:
    ordered: list[bool] = []

    def order(**_: object) -> RunSummary:
        ordered.append(orders.is_waiting)
        if len(ordered) == 1:
            raise trouble
        return PREVIEW

    session = _session(order)
    orders = _orders(session)
    orders.preview()
    assert not orders.is_waiting
    assert [*session.refusals, *session.mistakes] == [trouble]

    orders.preview()
    assert ordered == [True, True]
    assert orders.answered == 2
    assert session.told == ["The preview is ready; nothing was written."]


def test_while_one_is_waited_for_another_is_not_ordered() -> None:
    ordered: list[str] = []

    def order(**_: object) -> RunSummary:
        ordered.append("order")
        orders.sync()  # somebody presses again
        return PREVIEW

    orders = _orders(_session(order))
    orders.preview()
    assert ordered == ["order"]
