"""The whole way: an encrypted callback arrives at the service, and WeCom is in step."""

import random
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from server.config.paths import DataFolder
from server.config.store import ConfigStore
from server.journal import requests, runs
from server.journal.opening import open_read_only
from server.journal.requests import RequestKind, SyncRequest, write_beside
from server.journal.runs import RunStatus
from server.service.logs import SecretMask
from server.service.service import Service
from server.simulator.dingtalk.callbacks import CallbackSender
from tests.server.sync.world import FAST, World, differences, open_world
from tests.waiting import until

_TOKEN, _KEY = "madeUpToken2026", "dingmadeupmadeupmade"
_AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Service, World]]:
    with open_world(tmp_path) as world:
        folder = DataFolder(tmp_path / "folder")
        store = ConfigStore(folder)
        settings = world.config.settings
        store.merge(
            {
                "callback": {"token": _TOKEN, "aes_key": _AES_KEY, "key": _KEY},
                "dingtalk": {
                    **asdict(settings.dingtalk),
                    "app_secret": world.dingtalk.rules.app_secret,
                },
                "wecom": {
                    **asdict(settings.wecom),
                    "contact_secret": world.wecom.rules.contact_secret,
                },
                "sync": {"enabled": True, "approve_first_run": False},
            }
        )
        running = Service(folder, store, SecretMask(), pace=FAST)
        running.start("127.0.0.1", 0)
        world.journal.close(10)
        world.journal = running.journal()
        yield running, world
        assert running.stop(10) == ()


def _send(service: Service, payloads: tuple[dict[str, Any], ...]) -> None:
    with CallbackSender(service.address, _TOKEN, _AES_KEY, _KEY, rng=random.Random(1)) as sender:  # noqa: S311 - repeatable, not secret
        assert all(sender.deliver(payload).accepted for payload in payloads)


@pytest.mark.slow
def test_a_callback_becomes_a_member_within_the_service(service: tuple[Service, World]) -> None:
    running, world = service
    person = world.company.draft("新人", (1,), mobile="13900000000")
    _send(running, world.company.hire(person))
    until(lambda: world.wecom.directory.member(person.userid) is not None)
    until(lambda: differences(world) == [])


@pytest.mark.slow
def test_a_command_beside_the_service_is_answered_by_it(
    service: tuple[Service, World], tmp_path: Path
) -> None:
    _, world = service
    world.hire("王伟", mobile="13800000001")
    database = DataFolder(tmp_path / "folder").database
    request = SyncRequest(RequestKind.PREVIEW)
    ident = write_beside(database, lambda conn: requests.post(conn, request, 1))
    until(
        lambda: open_read_only(database, lambda conn: requests.answer_of(conn, ident)) is not None
    )
    answer = open_read_only(database, lambda conn: requests.answer_of(conn, ident))
    assert answer is not None
    assert answer.run_id is not None
    run = open_read_only(database, lambda conn: runs.find(conn, answer.run_id or 0))
    assert run is not None
    assert run.ending is not None
    assert run.ending.status is RunStatus.PREVIEW
