"""Credentials change over: pending beside active, promoted by DingTalk's first call, previous."""

from typing import Any

from tests.e2e.program import FIRST, SECOND, THIRD, Program
from tests.waiting import until


def keys(program: Program) -> dict[str, Any]:
    credentials = program.seen()["credentials"]
    shown = {
        role: credentials[role] and credentials[role]["key"]
        for role in ("active", "pending", "previous")
    }
    return {**shown, "in_use": credentials["in_use"]}


def test_the_status_follows_the_change_over(program: Program) -> None:
    program.set_up(FIRST)
    service = program.serve()
    expected = {"active": FIRST.key, "pending": None, "previous": None, "in_use": None}
    assert keys(program) == expected
    assert service.accepts(FIRST)
    assert keys(program) == {**expected, "in_use": "active"}
    done = program.configure({"callback": SECOND.settings})
    assert "pending" in done.out.decode()
    assert keys(program) == {**expected, "pending": SECOND.key, "in_use": "active"}
    assert "pending" in [notice["code"] for notice in program.status()["notices"]]
    until(lambda: service.accepts(SECOND), "the new values are taken up")
    promoted = {"active": SECOND.key, "pending": None, "previous": FIRST.key, "in_use": "active"}
    until(lambda: keys(program) == promoted, "the promotion is saved")
    assert service.accepts(FIRST)
    assert keys(program) == {**promoted, "in_use": "previous"}
    credentials = program.status()["credentials"]
    assert credentials["previous"]["accepted_until"] > credentials["previous"]["last_used_at"]
    assert (credentials["active"]["calls"], credentials["previous"]["calls"]) == (1, 2)
    assert credentials["active"]["last_used_from"] == "127.0.0.1"


def test_a_single_value_is_completed_from_the_set_in_force(program: Program) -> None:
    program.set_up(FIRST)
    service = program.serve()
    program.configure({"callback": {"token": SECOND.token}})
    until(lambda: service.accepts(FIRST.with_(token=SECOND.token)), "the token is taken up")
    assert service.accepts(FIRST)


def test_without_a_grace_period_the_old_values_end_at_once(program: Program) -> None:
    program.set_up(FIRST, previous_grace_hours=0)
    service = program.serve()
    program.configure({"callback": SECOND.settings})
    until(lambda: service.accepts(SECOND), "the new values are taken up")
    assert not service.accepts(FIRST)
    expected = {"active": SECOND.key, "pending": None, "previous": None, "in_use": "active"}
    until(lambda: keys(program) == expected, "the old set is gone")
    until(lambda: "no longer accepted" in program.log, "it is logged")


def test_a_kill_right_after_the_promotion_loses_neither_set(program: Program) -> None:
    program.set_up(FIRST)
    service = program.serve()
    program.configure({"callback": SECOND.settings})
    until(lambda: service.accepts(SECOND), "the new values are taken up")
    service.kill()
    restarted = program.serve()
    assert restarted.accepts(SECOND)
    assert restarted.accepts(FIRST)
    expected = {"active": SECOND.key, "pending": None, "previous": FIRST.key}
    until(lambda: keys(program) == {**expected, "in_use": "previous"}, "the promotion is saved")


def test_a_stop_right_after_the_promotion_saves_it(program: Program) -> None:
    program.set_up(FIRST)
    service = program.serve()
    program.configure({"callback": SECOND.settings})
    until(lambda: service.accepts(SECOND), "the new values are taken up")
    assert service.stop() == 0
    assert keys(program)["active"] == SECOND.key


def test_a_set_entered_while_another_is_promoted_stays_pending(program: Program) -> None:
    program.set_up(FIRST)
    service = program.serve()
    for used, entered in ((SECOND, THIRD), (THIRD, FIRST)):
        program.configure({"callback": used.settings})
        until(lambda one=used: service.accepts(one), "it is taken up")  # type: ignore[misc] # mypy infers no default arguments of lambdas
        program.configure({"callback": entered.settings})
        until(lambda one=entered: service.accepts(one), "the next is taken up")  # type: ignore[misc] # as above
        assert service.accepts(used)


def test_first_credentials_work_without_a_restart(program: Program) -> None:
    service = program.serve()
    assert not service.accepts(FIRST)
    program.set_up(FIRST)
    until(lambda: service.accepts(FIRST), "they are taken up")
    assert keys(program)["active"] == FIRST.key
