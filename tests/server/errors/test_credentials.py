import string

import pytest

from crypto.credential_input import ValueFault, ValueProblem, judge
from crypto.credentials import CredentialField
from crypto.doctor import Diagnosis, Verdict
from server.errors.credentials import describe_diagnosis, describe_problem


def gaps(text: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(text) if name]


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("offered_key", [None, "dingother0000000000a"])
def test_every_verdict_has_a_title_and_a_hint_without_a_gap(
    verdict: Verdict, offered_key: str | None
) -> None:
    advice = describe_diagnosis(Diagnosis(verdict, offered_key=offered_key))
    assert gaps(str(advice.title)) + gaps(str(advice.hint)) == []
    assert str(advice.title) != str(advice.hint)


def test_a_key_that_came_is_offered() -> None:
    advice = describe_diagnosis(Diagnosis(Verdict.KEY, offered_key="dingother0000000000a"))
    assert "dingother0000000000a" in str(advice.hint)


def test_no_two_verdicts_read_alike() -> None:
    titles = [str(describe_diagnosis(Diagnosis(verdict)).title) for verdict in Verdict]
    assert len(set(titles)) == len(Verdict)


@pytest.mark.parametrize("fault", ValueFault)
def test_every_fault_of_a_value_is_described_without_a_gap(fault: ValueFault) -> None:
    told = str(describe_problem(ValueProblem(CredentialField.TOKEN, fault, 2, 3, "!", 1)))
    assert gaps(told) == []
    assert "token" in told


def test_a_key_that_cannot_be_offered_leaves_no_hole() -> None:
    offering = describe_diagnosis(Diagnosis(Verdict.KEY, offered_key="X"))
    without = describe_diagnosis(Diagnosis(Verdict.KEY))
    told = f"{without.title} {without.hint}"
    assert told.replace("  ", " ") == told
    assert str(offering.hint).replace("X", "") != str(without.hint)
    assert " ," not in told
    assert " ." not in told


def test_of_a_faulty_value_only_the_one_bad_character_is_quoted() -> None:
    problem = judge(CredentialField.AES_KEY, "verySecret!Token")
    assert problem is not None
    assert str(describe_problem(problem)) == (
        "aes_key may contain letters and digits only; character 11 is “!”."
    )
    problem = judge(CredentialField.TOKEN, "verySecret密Token")
    assert problem is not None
    assert str(describe_problem(problem)) == (
        "token may contain letters, digits and ASCII punctuation only; character 11 is “密”."
    )
