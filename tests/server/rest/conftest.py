from collections.abc import Iterator

import pytest

from tests.server.rest.loopback import Vendor, serving


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving() as running:
        yield running
