"""The key doctor's verdict, as the admin sees it in the status after a rejected call."""

from typing import Any

import pytest

from tests.e2e.program import FIRST, SECOND, THIRD, Program, Service, Values
from tests.waiting import until


def verdict_on(program: Program, service: Service, sent: Values) -> Any:
    assert not service.accepts(sent)
    return until(lambda: program.seen()["doctor"], "the rejected call is noted")


@pytest.mark.parametrize(
    ("sent", "verdict", "offered_key"),
    [
        (FIRST.with_(token=SECOND.token), "token", None),
        (FIRST.with_(aes_key=SECOND.aes_key), "aes_key", None),
        (FIRST.with_(key=SECOND.key), "key", SECOND.key),
        (FIRST.with_(token=SECOND.token, key=SECOND.key), "token_and_key", None),
        (SECOND, "unknown_sender", None),
    ],
    ids=["token", "aes_key", "key", "token_and_key", "unknown_sender"],
)
def test_the_wrong_value_is_named(
    program: Program, sent: Values, verdict: str, offered_key: str | None
) -> None:
    program.set_up(FIRST)
    service = program.serve()
    doctor = verdict_on(program, service, sent)
    assert (doctor["verdict"], doctor["offered_key"]) == (verdict, offered_key)
    assert program.status()["doctor"] == doctor
    assert (doctor["remote"], doctor["count"], doctor["settled"]) == ("127.0.0.1", 1, False)
    notice = next(one for one in program.seen()["notices"] if one["code"] == "rejected-call")
    assert (notice["title"], notice["hint"]) == (doctor["title"], doctor["hint"])
    if offered_key:
        assert offered_key in doctor["title"] + doctor["hint"]
    assert "{" not in doctor["title"] + doctor["hint"]
    assert service.accepts(FIRST)
    status = program.seen()
    assert status["doctor"]["settled"] is True
    assert "rejected-call" not in [notice["code"] for notice in status["notices"]]


def test_values_of_two_sets_mixed_up_are_recognised(program: Program) -> None:
    program.set_up(FIRST)
    program.configure({"callback": SECOND.settings})
    service = program.serve()
    doctor = verdict_on(program, service, FIRST.with_(aes_key=SECOND.aes_key))
    assert doctor["verdict"] == "mixed"
    assert program.run("status").code == 0


def test_a_call_before_any_credentials_is_explained(program: Program) -> None:
    service = program.serve()
    assert verdict_on(program, service, FIRST)["verdict"] == "no_credentials"
    assert "not-set-up" in [notice["code"] for notice in program.seen()["notices"]]


def test_the_offered_key_can_be_adopted(program: Program) -> None:
    program.set_up(FIRST)
    service = program.serve()
    sent = FIRST.with_(key=THIRD.key)
    offered = verdict_on(program, service, sent)["offered_key"]
    program.configure({"callback": {"key": offered}})
    until(lambda: service.accepts(sent), "the key is taken up")
    until(lambda: program.seen()["doctor"]["settled"], "all is well")


def test_the_list_of_rejected_calls_survives_a_restart(program: Program) -> None:
    program.set_up(FIRST)
    service = program.serve()
    before = verdict_on(program, service, SECOND)
    assert service.stop() == 0
    assert program.seen()["doctor"] == before
    restarted = program.serve()
    assert not restarted.accepts(SECOND)
    until(lambda: program.seen()["doctor"]["count"] == 2, "the two are counted together")
