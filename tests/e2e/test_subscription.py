"""`subscription` beside a real service, against a DingTalk that really calls its address."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from server.simulator.dingtalk.callback_registry import CheckOutcome
from tests.e2e.program import FIRST, SECOND, Program
from tests.server.subscription.registry import NEEDED, RECORD, Registry, open_registry
from tests.waiting import until


@pytest.fixture
def registry() -> Iterator[Registry]:
    with open_registry() as registry:
        yield registry


@pytest.fixture
def program(program: Program, registry: Registry) -> Program:
    """Set up for the registry's app, without a public address yet."""
    rules = registry.api.rules
    program.set_up(FIRST, key=registry.corp_id)
    program.configure({"dingtalk": rules.settings(registry.address)})
    return program


def test_the_service_compares_by_itself_and_status_tells(
    program: Program, registry: Registry
) -> None:
    registry.api.callbacks.subscription = replace(RECORD, token=SECOND.token)
    program.serve()

    def told() -> bool:
        return bool(program.status()["subscription"]["state"] == "differs")

    until(told, "the record was compared")
    status = program.status()
    assert status["subscription"]["differences"] == ["token", "aes_key"]
    assert "subscription-differs" in [notice["code"] for notice in status["notices"]]


def test_what_differs_is_an_exit_code_of_its_own(program: Program, registry: Registry) -> None:
    done = program.run("subscription", "--json")
    assert (done.code, done.document["state"]) == (0, "no-record")
    registry.api.callbacks.subscription = replace(RECORD, token=SECOND.token)
    done = program.run("subscription")
    assert done.code == 3
    assert "differs in token" in done.lines[0]
    registry.api.rules.app_secret = "made-up-other-secret"
    done = program.run("subscription", "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "dingtalk-40089")
    program.configure({"dingtalk": {"app_secret": ""}})
    assert program.run("subscription", "--json").code == 2


def test_take_beside_the_service(program: Program, registry: Registry) -> None:
    service = program.serve()
    done = program.run("subscription", "--take")
    assert done.code == 1
    assert "No subscription has been registered" in done.errors
    registry.api.callbacks.subscription = replace(
        RECORD, token=SECOND.token, aes_key=SECOND.aes_key
    )
    done = program.run("subscription", "--take", "--json")
    assert (done.code, done.document["credentials"]) == (0, "pending")
    assert (done.document["state"], done.document["fits"]) == ("equal", "pending")
    taken = replace(SECOND, key=registry.corp_id)
    until(lambda: service.accepts(taken), "the values are taken up")
    assert service.accepts(replace(FIRST, key=registry.corp_id))


def test_register_beside_the_service(program: Program, registry: Registry) -> None:
    service = program.serve()
    program.configure({"callback": {"public_url": service.address}})
    done = program.run("subscription", "--register")
    assert done.code == 0, done
    assert done.lines[-1] == "Your subscription is registered with DingTalk."
    assert registry.record is not None
    assert registry.record.url == service.address
    assert registry.record.tags == NEEDED
    assert program.status()["subscription"]["state"] == "equal"


def test_a_wrong_key_is_named_beside_the_service(program: Program, registry: Registry) -> None:
    registry.check.owner_key = "dingsomebodyelse0001"
    service = program.serve()
    program.configure({"callback": {"public_url": service.address}})
    done = program.run("subscription", "--register", "--json")
    assert done.code == 1
    last = done.document["steps"][-1]
    assert (last["name"], last["state"]) == ("check_url", "note")
    assert "dingsomebodyelse0001" in last["title"]
    assert registry.record is None


def test_nothing_is_registered_that_dingtalk_cannot_reach(
    program: Program, registry: Registry
) -> None:
    registry.api.callbacks.url_check = lambda _: CheckOutcome.UNREACHABLE
    service = program.serve()
    program.configure({"callback": {"public_url": service.address}})
    done = program.run("subscription", "--register")
    assert done.code == 1
    assert any("71012" in line for line in done.lines)
    assert any("No test request" in line for line in done.lines)


def test_nothing_that_is_printed_logged_or_stored_holds_a_secret(
    program: Program, registry: Registry
) -> None:
    registry.api.callbacks.subscription = replace(
        RECORD, token=SECOND.token, aes_key=SECOND.aes_key
    )
    service = program.serve()
    program.configure({"callback": {"public_url": service.address}})
    for words in ((), ("--json",), ("--register",), ("--take", "--json")):
        program.run("subscription", *words)
    assert service.stop() == 0
    secrets = (SECOND.token, SECOND.aes_key, FIRST.token, registry.api.rules.app_secret)
    for path, content in program.written().items():
        assert not [secret for secret in secrets if secret.encode() in content], path
