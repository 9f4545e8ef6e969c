"""The program against both vendors, simulated on loopback: TLS aside, all of its way out."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.server.subscription.registry import RECORD, Registry, open_registry
from tests.tools.windows.program import Program
from tests.ui.platforms import Platforms, platforms


@pytest.fixture
def both() -> Iterator[Platforms]:
    with platforms(people=8, departments=3) as both:
        yield both


@pytest.fixture
def mirroring(program: Program, both: Platforms) -> Program:
    assert program.configure(both.settings).code == 0
    return program


def test_both_accounts_are_tried(mirroring: Program, both: Platforms) -> None:
    tried = mirroring.run("test-connection")
    assert (tried.code, tried.err) == (0, "")
    both.trust(is_trusted=False)
    refused = mirroring.run("test-connection", "wecom", "--json")
    assert refused.code == 1
    assert both.wecom.rules.caller_ip in refused.document["steps"][-1]["hint"]


def test_the_sync_brings_wecom_in_step(mirroring: Program, both: Platforms) -> None:
    held = mirroring.run("sync", "--json").document
    assert held["status"] == "held", held
    assert not set(both.company.roster.people) & set(both.members())
    done = mirroring.run("sync", "--allow", held["digest"], "--json")
    assert done.code == 0, done
    assert len(both.company.roster.people) == len(both.members())


@pytest.fixture
def registry() -> Iterator[Registry]:
    with open_registry() as registry:
        yield registry


def test_the_subscription_that_dingtalk_has_on_record_is_compared(
    program: Program, registry: Registry
) -> None:
    rules = registry.api.rules
    ours = rules.settings(registry.address)
    key = {"key": registry.corp_id}
    assert program.configure({"dingtalk": ours, "callback": key}).code == 0
    asked = program.run("subscription", "--json")
    assert (asked.code, asked.document["state"]) == (0, "no-record"), asked
    registry.api.callbacks.subscription = replace(RECORD, token="anotherToken2027")
    asked = program.run("subscription", "--json")
    assert (asked.code, asked.document["state"]) == (3, "differs"), asked
