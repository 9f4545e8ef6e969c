import threading
from functools import partial

import pytest

from ui.state.mailbox import Mailbox


def test_calls_of_another_thread_are_made_in_order() -> None:
    mailbox, made = Mailbox(), list[int]()
    posts = [partial(mailbox.post, partial(made.append, number)) for number in range(5)]
    thread = threading.Thread(target=lambda: [post() for post in posts])

    thread.start()
    thread.join()
    assert made == []
    mailbox.deliver(5.0)

    assert made == [0, 1, 2, 3, 4]


def test_a_call_that_fails_does_not_lose_the_ones_behind_it() -> None:
    mailbox, made = Mailbox(), list[str]()
    mailbox.post(lambda: 1 / 0)
    mailbox.post(partial(made.append, "behind"))

    with pytest.raises(ZeroDivisionError):
        mailbox.deliver(5.0)
    mailbox.deliver(5.0)

    assert made == ["behind"]


def test_a_flood_ends_with_the_time_it_may_take() -> None:
    mailbox = Mailbox()

    def again() -> None:
        mailbox.post(again)

    again()
    mailbox.deliver(0.01)  # would never return otherwise
