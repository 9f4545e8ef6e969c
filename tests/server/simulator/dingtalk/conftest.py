from collections.abc import Iterator

import pytest

from server.simulator.company import Company
from server.simulator.dingtalk.contacts import DingTalkContacts
from tests.server.clocks import SteadyClock
from tests.server.simulator.raw_dingtalk import RawDingTalk, serve


@pytest.fixture
def dingtalk() -> Iterator[RawDingTalk]:
    """A company of nobody."""
    clock = SteadyClock()
    yield from serve(DingTalkContacts(Company(), clock=clock, calls_per_second=None), clock)
