from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.sync.world import World, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A company of nobody; no approval is asked for."""
    with open_world(tmp_path, approve_first_run=False) as opened:
        yield opened
