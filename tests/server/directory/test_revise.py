from dataclasses import replace

import pytest

from server.directory import causes
from server.directory.causes import cause
from server.directory.change import (
    Action,
    Change,
    all_fields,
    member_changes,
    member_of,
    state_of,
)
from server.directory.identity import Claimant, Decision, Match, Owner, match_owner
from server.directory.model import (
    NOBODY,
    DepartmentState,
    Kind,
    MemberDepartment,
    MemberState,
    PersonLink,
)
from server.directory.revise import (
    follow,
    with_leader,
    without_departments,
    without_mobile,
    without_text,
)

SEATS = (MemberDepartment("5", 9), MemberDepartment("6", 8))
ANNA = MemberState(
    "Anna", "138", "a@example.com", memberships=SEATS, main_department="5", direct_leader="m"
)
CREATE = Change(Action.CREATE, Kind.PERSON, "a", "a", all_fields(ANNA), ANNA)
CLAIM = Claimant("a", "Anna", "a")


def link(*, enabled: bool = True, name: str = "Anna", dingtalk: str = "old") -> PersonLink:
    return PersonLink(dingtalk, "W", replace(ANNA, name=name, direct_leader=""), is_enabled=enabled)


@pytest.mark.parametrize(
    ("claim", "holder", "match", "code"),
    [
        (CLAIM, Owner("W", None, has_left=None, is_protected=False), Match.ADOPT, None),
        (
            CLAIM,
            Owner("W", None, has_left=None, is_protected=True),
            Match.CONFLICT,
            "member-protected",
        ),
        (
            CLAIM,
            Owner("W", link(dingtalk="a"), has_left=False, is_protected=False),
            Match.SAME,
            None,
        ),
        (CLAIM, Owner("W", link(), has_left=True, is_protected=False), Match.RETURN, None),
        (
            CLAIM,
            Owner("W", link(enabled=False), has_left=None, is_protected=False),
            Match.RETURN,
            None,
        ),
        (
            CLAIM,
            Owner("W", link(), has_left=None, is_protected=False),
            Match.WAIT,
            "mobile-undecided",
        ),
        (
            CLAIM,
            Owner("W", link(), has_left=False, is_protected=False),
            Match.CONFLICT,
            "mobile-held",
        ),
        (
            CLAIM,
            Owner("W", link(name="Bob"), has_left=True, is_protected=False),
            Match.CONFLICT,
            "mobile-of-leaver",
        ),
        (
            CLAIM,
            Owner("W", PersonLink("old", "W", None), has_left=True, is_protected=False),
            Match.CONFLICT,
            "mobile-of-leaver",
        ),
        (
            replace(CLAIM, is_linked=True),
            Owner("W", None, has_left=None, is_protected=False),
            Match.CONFLICT,
            "mobile-held",
        ),
    ],
)
def test_the_holder_of_the_mobile_decides(
    claim: Claimant, holder: Owner, match: Match, code: str | None
) -> None:
    decision = match_owner(claim, holder)
    assert (decision.match, decision.cause and decision.cause.code) == (match, code)


def test_an_adoption_writes_what_we_have_and_clears_nothing() -> None:
    change = follow(CREATE, Decision(Match.ADOPT, "W"))
    assert (change.action, change.wecom_id) == (Action.ADOPT, "W")
    assert "position" not in change.fields


def test_a_create_whose_answer_was_lost_becomes_an_update() -> None:
    assert follow(CREATE, Decision(Match.SAME, "a")).action is Action.UPDATE


@pytest.mark.parametrize("enabled", [True, False])
def test_a_return_writes_only_the_differences(enabled: bool) -> None:  # noqa: FBT001 - parameter
    change = follow(CREATE, Decision(Match.RETURN, "W", "old"), link(enabled=enabled))
    assert (change.action, change.replaces) == (Action.ENABLE, "old")
    switch = {} if enabled else {"enable": (False, True)}
    assert dict(change.fields) == {**switch, "direct_leader": ("", "m")}


@pytest.mark.parametrize(
    ("match", "action"), [(Match.CONFLICT, Action.CONFLICT), (Match.WAIT, Action.CREATE)]
)
def test_a_cause_stops_the_change(match: Match, action: Action) -> None:
    reason = cause("mobile-held", name="Anna", wecom_id="W")
    change = follow(CREATE, Decision(match, "W", cause=reason))
    assert (change.action, change.is_executable, change.fields) == (action, False, {})


def test_a_refused_mobile_or_email_leaves_the_rest() -> None:
    accepted = MemberState("Anna", "137", "old@example.com")
    kept = without_mobile(CREATE, accepted)
    assert isinstance(kept.payload, MemberState)
    assert ("mobile" in kept.fields, kept.payload.mobile) == (False, "137")
    told = (causes.warning(causes.MOBILE_MAY_STAY), causes.warning(causes.EMAIL_TAKEN, name="A"))
    assert without_mobile(replace(CREATE, warnings=told), accepted).warnings == told[1:]
    for before, expected in ((accepted, "old@example.com"), (None, "")):
        bare = without_text(CREATE, "email", before or NOBODY)
        assert isinstance(bare.payload, MemberState)
        assert ("email" in bare.fields, bare.payload.email) == (False, expected)


def test_a_manager_gets_the_userid_they_really_have() -> None:
    assert with_leader(CREATE, {}, None) is CREATE
    assert with_leader(CREATE, {"m": "M2"}, None).fields["direct_leader"] == (None, "M2")
    assert "direct_leader" not in with_leader(CREATE, {"m": ""}, None).fields
    accepted = replace(ANNA, direct_leader="old")
    assert with_leader(CREATE, {"m": ""}, accepted).fields["direct_leader"] == ("old", "")


def test_a_department_that_is_missing_is_left_out() -> None:
    assert without_departments(CREATE, ()) is CREATE
    change = without_departments(CREATE, {"5"})
    assert change.fields["department"] == (None, ("6",))
    assert change.fields["main_department"] == (None, "6")
    assert without_departments(CREATE, {"6"}).fields["main_department"] == (None, "5")
    nowhere = without_departments(CREATE, {"5", "6"})
    assert nowhere.cause
    assert nowhere.cause.code == "person-waits"


def test_a_move_into_nothing_but_a_missing_department_leaves_nothing_to_write() -> None:
    before = replace(ANNA, memberships=SEATS[:1])
    change = Change(Action.UPDATE, Kind.PERSON, "a", "a", member_changes(before, ANNA, None), ANNA)
    revised = without_departments(change, {"6"})
    assert (revised.fields, revised.payload) == ({}, before)


def test_a_departments_change_has_no_member_to_revise() -> None:
    change = Change(Action.CREATE, Kind.DEPARTMENT, "5", "5", payload=DepartmentState("A", "1", 1))
    with pytest.raises(TypeError):
        without_departments(change, ())


def test_a_persons_change_has_no_state_of_a_department() -> None:
    assert member_of(CREATE) is ANNA
    with pytest.raises(TypeError):
        state_of(CREATE)
