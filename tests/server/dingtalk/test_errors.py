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
from server.fate import Fate, Fix
from server.rest.session import Call, Purpose
from server.vendor_errors import (
    AddressNotTrustedError,
    CredentialsRejectedError,
    VendorError,
    VendorRefusedError,
    VendorReplyError,
)

READ = Call("topapi/v2/user/get", secrets={"access_token": Secret("t0k3n-t0k3n")})
LOGIN = Call("gettoken", Purpose.TOKEN, secrets={"appsecret": Secret("app-s3cr3t")})

# Every row of the facts' tables (DingTalk 4, 5.4 and 5.5) that a call of ours can meet.
ROWS = [
    (-1, Fate.RETRY),
    (22, Fate.SKIP),
    (88, Fate.STOP),
    (33001, Fate.STOP),
    (33012, Fate.GONE),
    (40001, Fate.REFRESH_TOKEN),
    (40014, Fate.REFRESH_TOKEN),
    (40035, Fate.SKIP),
    (40068, Fate.SKIP),
    (40069, Fate.SKIP),
    (40089, Fate.STOP),
    (41001, Fate.STOP),
    (42001, Fate.REFRESH_TOKEN),
    (43007, Fate.STOP),
    (45009, Fate.RETRY),
    (50002, Fate.SKIP),
    (50003, Fate.STOP),
    (50004, Fate.SKIP),
    (50005, Fate.STOP),
    (60003, Fate.GONE),
    (60011, Fate.STOP),
    (60019, Fate.SKIP),
    (60020, Fate.STOP),
    (60111, Fate.GONE),
    (60121, Fate.GONE),
    (71006, Fate.FIX),
    (71007, Fate.GONE),
    (71008, Fate.SKIP),
    (71009, Fate.SKIP),
    (71010, Fate.SKIP),
    (71011, Fate.SKIP),
    (71012, Fate.SKIP),
    *((number, Fate.RETRY) for number in range(90001, 90020)),
    (90020, Fate.STOP),
    (400002, Fate.SKIP),
    *((number, Fate.SKIP) for number in range(900004, 900011)),
]


def refusal(answer: dict[str, Any], call: Call = READ) -> VendorRefusedError:
    with pytest.raises(VendorRefusedError) as caught:
        raise_for_error(answer, call)
    return caught.value


@pytest.mark.parametrize(("number", "fate"), ROWS)
def test_each_code_has_its_fate_and_words_for_people(number: int, fate: Fate) -> None:
    error = refusal({"errcode": number, "errmsg": "vendor's text"})

    assert (error.fate, error.number, error.code) == (fate, number, f"dingtalk-{number}")
    assert error.retryable == (fate is Fate.RETRY)
    assert not re.search(r"[{}]", f"{error.title}{error.hint}")


def test_every_row_of_the_table_is_tested() -> None:
    assert set(MEANINGS) <= {number for number, _ in ROWS}


@pytest.mark.parametrize("errcode", [0, "0"])
def test_zero_is_a_success_also_as_a_string(errcode: object) -> None:
    raise_for_error({"errcode": errcode}, READ)


def test_a_code_as_a_string_counts_like_a_number() -> None:
    assert refusal({"errcode": "33012"}).fate is Fate.GONE


@pytest.mark.parametrize("answer", [{}, {"errcode": "?"}, {"errcode": None}])
def test_an_answer_without_a_code_is_no_success(answer: dict[str, Any]) -> None:
    with pytest.raises(VendorReplyError) as caught:
        raise_for_error(answer, READ)

    assert (caught.value.fate, caught.value.maybe_done) == (Fate.RETRY, True)


@pytest.mark.parametrize(
    ("sub_code", "number", "fate"),
    [
        ("60011", 60011, Fate.STOP),
        (40014, 40014, Fate.REFRESH_TOKEN),
        ("isv.invalid", 88, Fate.STOP),
        (None, 88, Fate.STOP),
    ],
)
def test_the_envelope_88_means_what_its_sub_code_says(
    sub_code: object, number: int, fate: Fate
) -> None:
    error = refusal({"errcode": 88, "sub_code": sub_code, "sub_msg": "没有调用该接口的权限"})

    assert (error.number, error.fate) == (number, fate)


@pytest.mark.parametrize("number", [33001, 40001, 40014, 40089])
def test_a_token_call_that_is_refused_means_wrong_credentials(number: int) -> None:
    error = refusal({"errcode": number}, LOGIN)

    assert isinstance(error, CredentialsRejectedError)
    assert error.fate is Fate.STOP


def test_60020_carries_the_address_to_add() -> None:
    error = refusal(
        {
            "errcode": 88,
            "sub_code": "60020",
            "sub_msg": "访问ip不在白名单之中,request ip=203.0.113.9",
        }
    )

    assert isinstance(error, AddressNotTrustedError)
    assert error.ip == "203.0.113.9"
    assert "203.0.113.9" in str(error.hint)


def test_60020_without_an_address_still_says_what_to_do() -> None:
    error = refusal({"errcode": 60020, "errmsg": "访问ip不在白名单之中"})

    assert isinstance(error, AddressNotTrustedError)
    assert error.ip is None
    assert "服务器出口IP" in str(error.hint)


def test_an_unknown_code_is_reported_with_the_vendors_words() -> None:
    error = refusal({"errcode": 123456, "errmsg": "something new"})

    assert (error.fate, error.suspicious) == (Fate.SKIP, True)
    assert "123456: something new" in str(error)


def test_an_existing_callback_asks_for_an_update() -> None:
    assert refusal({"errcode": 71006}).fix is Fix.UPDATE_INSTEAD


@pytest.mark.parametrize("number", [number for number, _ in ROWS])
def test_no_error_shows_a_secret_that_the_vendor_quotes(number: int) -> None:
    error = refusal({"errcode": number, "errmsg": "got t0k3n-t0k3n"})

    assert "t0k3n" not in str(error) + repr(vars(error))


@pytest.mark.parametrize(
    ("number", "out_of_scope", "permission"),
    [(50002, True, False), (50004, True, False), (60011, False, True), (33012, False, False)],
)
def test_scope_and_permission_are_told_apart(
    number: int, *, out_of_scope: bool, permission: bool
) -> None:
    error = refusal({"errcode": number})

    assert (is_out_of_scope(error), is_permission_missing(error)) == (out_of_scope, permission)


def test_other_errors_are_neither_scope_nor_permission() -> None:
    error = VendorError({"vendor": "DingTalk", "call": "x"})

    assert not is_out_of_scope(error)
    assert not is_permission_missing(error)
