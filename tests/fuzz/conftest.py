from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.callback.service import Service, serving


@pytest.fixture
def fuzzed_service(tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path / "dingbridge.db") as service:
        yield service
