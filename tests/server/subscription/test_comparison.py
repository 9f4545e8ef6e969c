"""What differs between two records, whichever way DingTalk writes its own."""

from dataclasses import replace

import pytest

from crypto.credentials import Keyring
from crypto.secret import Secret
from server.dingtalk.events import NEEDED_EVENTS, NothingToDo, read_hint
from server.dingtalk.wire import CallbackRecord
from server.journal.subscription import Standing
from server.subscription.comparison import LocalSubscription, compare, is_same_address
from tests.crypto.made_up import ACTIVE, PENDING, PREVIOUS

NOW_MS = 1_700_000_000_000
URL = "https://ding.example.com/api/callback"
OURS = LocalSubscription(Keyring(ACTIVE), URL, "dingapp@https://oapi.dingtalk.com")
RECORD = CallbackRecord(URL, ACTIVE.token, ACTIVE.aes_key, NEEDED_EVENTS)
OTHER = Secret("a" * 43)


def with_sets(**sets: object) -> LocalSubscription:
    return replace(OURS, keyring=replace(OURS.keyring, **sets))  # type: ignore[arg-type] # handed through as they are


def test_equal_records_are_equal() -> None:
    finding = compare(RECORD, OURS, NOW_MS)
    assert (finding.standing, finding.fits, finding.at_ms) == (Standing.EQUAL, "active", NOW_MS)
    assert (finding.differences, finding.missing_events, finding.unusable) == ((), (), ())


@pytest.mark.parametrize(
    ("record", "differences"),
    [
        (replace(RECORD, token=OTHER), ("token",)),
        (replace(RECORD, aes_key=OTHER), ("aes_key",)),
        (replace(RECORD, url="https://old.example.com/api/callback"), ("url",)),
        (
            CallbackRecord("http://x.example.com", OTHER, OTHER, NEEDED_EVENTS),
            ("token", "aes_key", "url"),
        ),
    ],
)
def test_each_value_that_differs_is_named(
    record: CallbackRecord, differences: tuple[str, ...]
) -> None:
    finding = compare(record, OURS, NOW_MS)
    assert (finding.standing, finding.differences) == (Standing.DIFFERS, differences)


def test_a_record_of_the_pending_set_is_as_it_should_be() -> None:
    record = replace(RECORD, token=PENDING.token, aes_key=PENDING.aes_key)
    finding = compare(record, with_sets(pending=PENDING), NOW_MS)
    assert (finding.standing, finding.fits) == (Standing.EQUAL, "pending")


def test_a_record_of_the_previous_set_differs_for_it_is_not_accepted_for_long() -> None:
    record = replace(RECORD, token=PREVIOUS.token, aes_key=PREVIOUS.aes_key)
    ours = with_sets(previous=PREVIOUS, previous_until_ms=NOW_MS + 1)
    finding = compare(record, ours, NOW_MS)
    assert (finding.differences, finding.fits) == (("token", "aes_key"), "previous")
    assert compare(record, ours, NOW_MS + 1).fits is None


def test_what_differs_is_told_against_the_closest_set() -> None:
    record = replace(RECORD, token=OTHER, aes_key=PENDING.aes_key)
    assert compare(record, with_sets(pending=PENDING), NOW_MS).differences == ("token",)


def test_without_any_credentials_both_values_differ() -> None:
    finding = compare(RECORD, with_sets(active=None), NOW_MS)
    assert finding.differences == ("token", "aes_key")


def test_without_a_record_there_is_nothing_to_compare() -> None:
    finding = compare(None, OURS, NOW_MS)
    assert (finding.standing, finding.record, finding.missing_events) == (
        Standing.NO_RECORD,
        None,
        (),
    )


def test_an_address_that_is_not_known_here_is_not_compared() -> None:
    record = replace(RECORD, url="https://anywhere.example.com/")
    assert compare(record, replace(OURS, url=""), NOW_MS).standing is Standing.EQUAL


@pytest.mark.parametrize(
    "other",
    [
        "https://ding.example.com/api/callback/",
        "HTTPS://Ding.Example.com:443/api/callback",
        "ding.example.com/api/callback",
        " https://ding.example.com/api/callback\n",
    ],
)
def test_one_address_may_be_written_in_several_ways(other: str) -> None:
    assert is_same_address(other, URL)
    assert is_same_address(URL, other)


@pytest.mark.parametrize(
    "other",
    [
        "http://ding.example.com/api/callback",
        "https://ding.example.com:8443/api/callback",
        "https://ding.example.com/API/callback",
        "https://ding.example.com/api/callback?x=1",
        "https://ding.example.com.evil.example/api/callback",
        "https://[broken/api/callback",
        "https://ding.example.com:99999/api/callback",
        "",
    ],
)
def test_other_addresses_are_other_addresses(other: str) -> None:
    assert not is_same_address(other, URL)


def test_an_address_that_cannot_be_read_equals_itself() -> None:
    assert is_same_address("https://[broken", " https://[broken ")


def test_events_that_the_mirror_needs_are_named_whatever_their_case() -> None:
    events = (" User_Add_Org", "USER_MODIFY_ORG", "no_such_event", "org_dept_create")
    finding = compare(replace(RECORD, event_types=events), OURS, NOW_MS)
    assert finding.missing_events == ("user_leave_org", "org_dept_modify", "org_dept_remove")
    assert finding.standing is Standing.EQUAL
    assert finding.record is not None
    assert finding.record.event_types == events


@pytest.mark.parametrize("event_type", NEEDED_EVENTS)
def test_every_needed_event_is_one_that_the_mirror_follows(event_type: str) -> None:
    assert not isinstance(read_hint(f'{{"EventType":"{event_type}"}}'), NothingToDo)


def test_values_that_cannot_be_used_here_are_named() -> None:
    record = replace(RECORD, token=Secret("两个 tokens"), aes_key=Secret(""))
    finding = compare(record, OURS, NOW_MS)
    assert finding.unusable == ("token", "aes_key")
    assert finding.differences == ("token", "aes_key")


def test_a_finding_holds_no_secret() -> None:
    shown = repr(compare(replace(RECORD, token=OTHER), OURS, NOW_MS))
    for secret in (OTHER, ACTIVE.aes_key, ACTIVE.token):
        assert secret.reveal() not in shown


def test_the_subject_changes_with_what_is_compared_and_only_with_that() -> None:
    others = {
        with_sets(active=PENDING).subject,
        with_sets(pending=PENDING).subject,
        replace(OURS, url="https://x.example.com").subject,
        replace(OURS, app="other@https://oapi.dingtalk.com").subject,
    }
    assert len(others | {OURS.subject}) == 5
    # A set that only expires asks for nothing new.
    assert with_sets(previous=PREVIOUS, previous_until_ms=NOW_MS).subject == OURS.subject
