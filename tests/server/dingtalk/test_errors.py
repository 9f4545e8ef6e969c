import re
from typing import Any

import pytest

from crypto.secret import Secret
from server.dingtalk.errors import (
    MEANINGS,
    is_out_of_scope,
    is_permission_missing,
    raise_for_error,
)
from server.errors.vendor import (
    AddressNotTrustedError,
    Correction,
    CredentialsRejectedError,
    ErrorPolicy,
    VendorError,
    VendorRefusedError,
    VendorReplyError,
)
from server.rest.session import Call, Purpose
from tests.server.dingtalk.rows import ROWS
from tests.server.vendor_rows import Row

READ = Call("topapi/v2/user/get", secrets={"access_token": Secret("t0k3n-t0k3n")})
LOGIN = Call("gettoken", Purpose.TOKEN, secrets={"appsecret": Secret("app-s3cr3t")})

BY_NUMBER = {row.number: row for row in ROWS}
UNKNOWN = 99999
SPECIAL = {60020, 88}


def refusal(answer: dict[str, Any], call: Call = READ) -> VendorRefusedError:
    with pytest.raises(VendorRefusedError) as caught:
        raise_for_error(answer, call)
    return caught.value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_each_code_has_its_fate_and_words_for_people(row: Row) -> None:
    error = refusal({"errcode": row.number, "errmsg": "vendor's text"})

    assert (error.code, error.policy, error.fix) == (f"dingtalk-{row.number}", row.policy, row.fix)
    assert (error.suspicious, error.backoff_s) == (row.is_suspicious, row.backoff_s)
    assert error.retryable == (row.policy is ErrorPolicy.RETRY)
    assert error.title.text.startswith(row.title)
    assert error.hint.text.startswith(row.hint)
    assert not re.search(r"[{}]", f"{error.title}{error.hint}")


def test_every_row_of_the_table_is_tested_and_every_row_tested_is_in_the_table() -> None:
    assert set(MEANINGS) == set(BY_NUMBER) - SPECIAL - {UNKNOWN}


def test_the_beginning_of_a_sentence_names_one_sentence() -> None:
    """Else a row with the words of another one would pass."""
    errors = [refusal({"errcode": row.number}) for row in ROWS]
    for told, beginnings in (
        ({error.title.text for error in errors}, {row.title for row in ROWS}),
        ({error.hint.text for error in errors}, {row.hint for row in ROWS}),
    ):
        assert len(told) == len(beginnings)
        for beginning in beginnings:
            assert sum(text.startswith(beginning) for text in told) == 1


@pytest.mark.parametrize("errcode", [0, "0"])
def test_zero_is_a_success_also_as_a_string(errcode: object) -> None:
    raise_for_error({"errcode": errcode}, READ)


def test_a_code_as_a_string_counts_like_a_number() -> None:
    assert refusal({"errcode": "33012"}).policy is ErrorPolicy.GONE


@pytest.mark.parametrize("answer", [{}, {"errcode": "?"}, {"errcode": None}])
def test_an_answer_without_a_code_is_no_success(answer: dict[str, Any]) -> None:
    with pytest.raises(VendorReplyError) as caught:
        raise_for_error(answer, READ)

    assert (caught.value.policy, caught.value.maybe_done) == (ErrorPolicy.RETRY, True)


@pytest.mark.parametrize(
    ("sub_code", "number", "policy"),
    [
        ("60011", 60011, ErrorPolicy.STOP),
        (40014, 40014, ErrorPolicy.REFRESH_TOKEN),
        ("isv.invalid", 88, ErrorPolicy.STOP),
        (None, 88, ErrorPolicy.STOP),
    ],
)
def test_the_envelope_88_means_what_its_sub_code_says(
    sub_code: object, number: int, policy: ErrorPolicy
) -> None:
    error = refusal({"errcode": 88, "sub_code": sub_code, "sub_msg": "没有调用该接口的权限"})

    assert (error.number, error.policy) == (number, policy)


@pytest.mark.parametrize("number", [33001, 40001, 40014, 40089])
def test_a_token_call_that_is_refused_means_wrong_credentials(number: int) -> None:
    error = refusal({"errcode": number}, LOGIN)

    assert isinstance(error, CredentialsRejectedError)
    assert error.policy is ErrorPolicy.STOP


def test_60020_carries_the_address_to_add() -> None:
    error = refusal(
        {
            "errcode": 88,
            "sub_code": "60020",
            "sub_msg": "访问ip不在白名单之中,request ip=203.0.113.9",
        }
    )

    assert isinstance(error, AddressNotTrustedError)
    assert (error.policy, error.fix, error.suspicious) == (ErrorPolicy.STOP, None, False)
    assert error.ip == "203.0.113.9"
    assert "203.0.113.9" in str(error.hint)


def test_60020_without_an_address_still_says_what_to_do() -> None:
    error = refusal({"errcode": 60020, "errmsg": "访问ip不在白名单之中"})

    assert isinstance(error, AddressNotTrustedError)
    assert error.ip is None
    assert "服务器出口IP" in str(error.hint)


def test_an_unknown_code_is_reported_with_the_vendors_words() -> None:
    error = refusal({"errcode": 123456, "errmsg": "something new"})

    assert (error.policy, error.suspicious) == (ErrorPolicy.SKIP, True)
    assert "123456: something new" in str(error)


def test_an_existing_callback_asks_for_an_update() -> None:
    assert refusal({"errcode": 71006}).fix is Correction.UPDATE_INSTEAD


@pytest.mark.parametrize("number", sorted(BY_NUMBER))
def test_no_error_shows_a_secret_that_the_vendor_quotes(number: int) -> None:
    error = refusal({"errcode": number, "errmsg": "got t0k3n-t0k3n"})

    assert "t0k3n" not in str(error) + repr(vars(error))


def test_scope_and_permission_are_told_apart() -> None:
    errors = {number: refusal({"errcode": number}) for number in BY_NUMBER}

    assert {number for number, error in errors.items() if is_out_of_scope(error)} == {50002, 50004}
    permissions = {number for number, error in errors.items() if is_permission_missing(error)}
    assert permissions == {60011, 43007, 88}


def test_other_errors_are_neither_scope_nor_permission() -> None:
    error = VendorError({"vendor": "DingTalk", "call": "x"})

    assert not is_out_of_scope(error)
    assert not is_permission_missing(error)
