from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crypto.credentials import Credentials, Keyring, Role
from tests.crypto.made_up import ACTIVE, PENDING, PREVIOUS, SETS

GRACE_MS = 1000
ONES = st.sampled_from([*SETS, Credentials.of("tokenX", "x" * 43, "dingx")])


class KeyringMachine(RuleBasedStateMachine):
    """An admin who enters sets, a DingTalk that uses what its console has, and the clock.

    The promise: a set that the console may still use is never dropped within the grace.
    """

    @initialize(one=ONES)
    def first(self, one: Credentials) -> None:
        self.now_ms = 0
        self.keyring = Keyring().entered(one)
        self.used_until: dict[Credentials, int] = {}

    @rule(one=ONES)
    def admin_enters(self, one: Credentials) -> None:
        before = self.keyring.active
        self.keyring = self.keyring.entered(one)
        assert before == self.keyring.active
        assert one in self.in_force()

    @rule()
    def dingtalk_uses_pending(self) -> None:
        active, pending = self.keyring.active, self.keyring.pending
        self.keyring = self.keyring.promoted(self.now_ms, GRACE_MS)
        if pending is None or active is None:
            assert active == self.keyring.active
            return
        assert (pending, None) == (self.keyring.active, self.keyring.pending)
        self.used_until = {active: self.now_ms + GRACE_MS}

    @rule(later_ms=st.integers(1, GRACE_MS))
    def time_passes(self, later_ms: int) -> None:
        self.now_ms += later_ms

    @rule()
    def service_tidies_up(self) -> None:
        before = self.in_force()
        self.keyring = self.keyring.expired(self.now_ms)
        assert before == self.in_force()

    @invariant()
    def a_set_in_use_is_in_force(self) -> None:
        for one, until_ms in self.used_until.items():
            assert self.now_ms >= until_ms or one in self.in_force()

    @invariant()
    def the_active_set_comes_first(self) -> None:
        assert Role.ACTIVE is next(iter(self.keyring.sets(self.now_ms)))[0]

    def in_force(self) -> list[Credentials]:
        return [one for _, one in self.keyring.sets(self.now_ms)]


KeyringMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=20)
test_no_transition_drops_a_set_that_dingtalk_may_still_use = KeyringMachine.TestCase


def test_the_first_set_is_active_at_once() -> None:
    assert Keyring(active=ACTIVE) == Keyring().entered(ACTIVE)


def test_a_further_set_is_pending_beside_the_active_one() -> None:
    assert Keyring(active=ACTIVE, pending=PENDING) == Keyring(active=ACTIVE).entered(PENDING)


def test_entering_the_active_set_again_withdraws_the_pending_one() -> None:
    keyring = Keyring(active=ACTIVE, pending=PENDING)
    assert Keyring(active=ACTIVE) == keyring.entered(ACTIVE)


def test_a_promotion_keeps_the_old_set_for_the_grace_period() -> None:
    promoted = Keyring(active=ACTIVE, pending=PENDING).promoted(10, GRACE_MS)
    assert Keyring(PENDING, None, ACTIVE, 1010) == promoted
    assert [role for role, _ in promoted.sets(1009)] == [Role.ACTIVE, Role.PREVIOUS]
    assert [role for role, _ in promoted.sets(1010)] == [Role.ACTIVE]


def test_without_a_pending_set_nothing_is_promoted() -> None:
    assert Keyring(active=ACTIVE) == Keyring(active=ACTIVE).promoted(10, GRACE_MS)


def test_only_a_previous_set_whose_grace_is_over_expires() -> None:
    keyring = Keyring(ACTIVE, None, PREVIOUS, 100)
    assert keyring == keyring.expired(99)
    assert Keyring(ACTIVE) == keyring.expired(100)
    assert Keyring(ACTIVE) == Keyring(ACTIVE).expired(100)


def test_a_previous_set_is_prolonged_where_there_is_one() -> None:
    assert Keyring(ACTIVE, None, PREVIOUS, 100).prolonged(200) == Keyring(
        ACTIVE, None, PREVIOUS, 200
    )
    assert Keyring(ACTIVE).prolonged(200) == Keyring(ACTIVE)


def test_an_empty_keyring_has_no_set_in_force() -> None:
    assert list(Keyring().sets(0)) == []


def test_sets_that_differ_in_the_key_alone_have_the_same_secrets() -> None:
    assert ACTIVE.has_same_secrets(replace(ACTIVE, key="dingother"))
    assert not ACTIVE.has_same_secrets(replace(ACTIVE, token=PENDING.token))
    assert not ACTIVE.has_same_secrets(replace(ACTIVE, aes_key=PENDING.aes_key))


def test_what_was_entered_during_a_promotion_stays_pending() -> None:
    promoted = Keyring(active=ACTIVE, pending=PENDING).promoted(10, GRACE_MS)

    assert Keyring(active=ACTIVE, pending=PENDING).overtaken_by(promoted) == promoted
    assert Keyring(active=ACTIVE, pending=PREVIOUS).overtaken_by(promoted).pending == PREVIOUS


def test_without_a_previous_set_none_is_accepted_whatever_its_end() -> None:
    """As a file edited by hand may have it: no previous set, but an end in the future."""
    assert list(Keyring(ACTIVE, None, None, 9).sets(1)) == [(Role.ACTIVE, ACTIVE)]


def test_the_roles_keep_the_names_that_files_and_programs_know() -> None:
    assert [str(role) for role in Role] == ["active", "pending", "previous"]
