from collections.abc import Iterator

import pytest

from crypto.secret import Secret
from server.dingtalk.client import DingTalkClient, connect
from tests.server.rest.loopback import TOKEN, FakeTime, Vendor, serving, surroundings


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving() as running:
        running.answer("gettoken", TOKEN)
        yield running


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def client(vendor: Vendor, time: FakeTime) -> Iterator[DingTalkClient]:
    opened = connect("ding-app", Secret("app-s3cr3t"), vendor.base, surroundings(time))
    yield opened
    opened.close()
