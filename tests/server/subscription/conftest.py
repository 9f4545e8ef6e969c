from collections.abc import Iterator
from pathlib import Path

import pytest

from server.api.app import App
from tests.server.subscription.registry import Registry, app_of, open_registry


@pytest.fixture
def registry() -> Iterator[Registry]:
    with open_registry() as registry:
        yield registry


@pytest.fixture
def app(registry: Registry, tmp_path: Path) -> Iterator[App]:
    app = app_of(registry, tmp_path / "数据 夹")
    yield app
    assert app.stop() == ()
