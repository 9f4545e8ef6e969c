import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.callback.service import Service, serving


@pytest.fixture
def service(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Service]:
    """A running service in which nothing may go wrong unnoticed."""
    with serving(tmp_path / "dingbridge.db") as service:
        yield service
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
