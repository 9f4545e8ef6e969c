from collections.abc import Iterator

import pytest

from server.simulator.wecom.contacts import WeComContacts
from tests.server.clocks import SteadyClock
from tests.server.simulator.raw_wecom import RawWeCom, serve


@pytest.fixture
def wecom() -> Iterator[RawWeCom]:
    """A WeCom with nobody in it."""
    clock = SteadyClock()
    yield from serve(WeComContacts(clock=clock), clock)
