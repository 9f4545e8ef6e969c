from server.directory.causes import cause
from server.directory.change import Action, Change
from server.directory.desired import Presence
from server.directory.model import Kind, Ledger, MemberState, PersonLink
from server.directory.reassigned_mobiles import (
    is_reassigned,
    waiting_for,
    without_mobile,
    without_mobiles,
)

GONE = PersonLink("gone", "Gone", MemberState("Anna", "138"), is_enabled=False)
STAYS = PersonLink("stays", "Stays", MemberState("Bert", "139"))
BEGUN = PersonLink("begun", "Begun", None)
LEDGER = Ledger({each.dingtalk_userid: each for each in (GONE, STAYS, BEGUN)})
PRESENCE = Presence(frozenset({"stays", "heir"}), frozenset({"gone", "begun"}))


def conflict(code: str, wecom_id: str, kind: Kind = Kind.PERSON) -> Change:
    reason = cause(code, name="Carl", wecom_id=wecom_id, other="Anna", id="7")
    return Change(Action.CONFLICT, kind, "heir", "", cause=reason)


def test_only_a_leavers_mobile_may_have_been_passed_on() -> None:
    for change, expected in (
        (conflict("mobile-of-leaver", "gone"), {"heir": GONE}),
        (conflict("mobile-held", "GONE"), {"heir": GONE}),
        (conflict("mobile-held", "stays"), {}),
        (conflict("mobile-held", "begun"), {}),
        (conflict("mobile-held", "stranger"), {}),
        (conflict("member-protected", "gone"), {}),
        (conflict("department-name-taken", "gone", Kind.DEPARTMENT), {}),
        (Change(Action.CREATE, Kind.PERSON, "heir", "heir"), {}),
    ):
        assert waiting_for([change], LEDGER, PRESENCE) == expected


def test_a_leaver_is_supposed_to_have_no_mobile() -> None:
    supposed = without_mobiles(LEDGER, [GONE])
    assert supposed.people["gone"].accepted == MemberState("Anna")
    assert supposed.people["stays"] is STAYS
    assert without_mobile(BEGUN) == BEGUN


def test_it_is_passed_on_once_wecom_accepted_it_for_the_heir() -> None:
    def heir(mobile: str) -> PersonLink:
        return PersonLink("heir", "heir", MemberState("Carl", mobile))

    assert is_reassigned("heir", GONE, {"gone": GONE, "heir": heir("138")})
    assert not is_reassigned("heir", GONE, {"gone": GONE, "heir": heir("137")})
    assert not is_reassigned("heir", GONE, {"gone": GONE, "heir": BEGUN})
    assert not is_reassigned("heir", GONE, {"gone": GONE})
    assert not is_reassigned("heir", GONE, {"heir": heir("138")})
    assert not is_reassigned("heir", without_mobile(GONE), {"gone": GONE, "heir": heir("")})
