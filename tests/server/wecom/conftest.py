from collections.abc import Iterator

import pytest

from crypto.secret import Secret
from server.wecom.client import WeComClient, connect
from tests.server.rest.loopback import TOKEN, FakeTime, Vendor, serving, surroundings


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving() as running:
        running.answer("cgi-bin/gettoken", TOKEN)
        yield running


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def client(vendor: Vendor, time: FakeTime) -> Iterator[WeComClient]:
    opened = connect("corp", Secret("contact-s3cr3t"), vendor.base, surroundings(time))
    yield opened
    opened.close()
