import re
from typing import Any

import pytest

from crypto.secret import Secret
from server.errors.vendor import (
    AddressNotTrustedError,
    Correction,
    CredentialsRejectedError,
    ErrorPolicy,
    MobileTakenError,
    VendorRefusedError,
    VendorReplyError,
)
from server.rest.session import Call, Purpose
from server.wecom.errors import format_warning, raise_for_error
from server.wecom.meanings import MEANINGS
from tests.server.vendor_rows import Row
from tests.server.wecom.rows import ROWS

SECRET = Secret("t0k3n-t0k3n")
UPDATE = Call("cgi-bin/user/update", Purpose.WRITE, secrets={"access_token": SECRET})
DELETE = Call("cgi-bin/user/delete", Purpose.DELETE, secrets={"access_token": SECRET})
DELETE_DEPARTMENT = Call("cgi-bin/department/delete", Purpose.DELETE)
READ = Call("cgi-bin/user/list_id")
LOGIN = Call("cgi-bin/gettoken", Purpose.TOKEN, secrets={"corpsecret": SECRET})

BY_NUMBER = {row.number: row for row in ROWS}
UNKNOWN = 99999
# Those whose meaning hangs on what stands in the text are no rows of the table.
SPECIAL = {60020, 60104}


def refusal(answer: dict[str, Any], call: Call = UPDATE) -> VendorRefusedError:
    with pytest.raises(VendorRefusedError) as caught:
        raise_for_error(answer, call)
    return caught.value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_each_code_has_its_fate_and_words_for_people(row: Row) -> None:
    error = refusal({"errcode": row.number, "errmsg": "vendor's text"})

    assert (error.code, error.policy, error.fix) == (f"wecom-{row.number}", row.policy, row.fix)
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


def test_a_correction_that_a_hint_promises_is_named_in_the_row() -> None:
    promising = {row.number for row in ROWS if "DingBridge corrects" in row.hint}

    assert promising == {
        row.number
        for row in ROWS
        if row.fix
        in {Correction.REFRESH_DEPARTMENTS, Correction.CREATE_PARENT, Correction.REORDER_MOVES}
    }


@pytest.mark.parametrize(
    "answer", [{"errcode": 0}, {"errcode": "0"}, {"errmsg": "ok"}, {"errcode": 0, "errmsg": "ok"}]
)
def test_success_is_zero_a_string_or_nothing(answer: dict[str, Any]) -> None:
    raise_for_error(answer, UPDATE)


@pytest.mark.parametrize("errcode", ["?", None, [], 1.5])
def test_a_code_that_is_no_number_is_no_success(errcode: object) -> None:
    with pytest.raises(VendorReplyError) as caught:
        raise_for_error({"errcode": errcode}, UPDATE)

    assert caught.value.maybe_done


@pytest.mark.parametrize(
    ("call", "gone"), [(DELETE, {60111}), (DELETE_DEPARTMENT, {60003, 60123})], ids=["user", "dept"]
)
def test_only_the_very_thing_that_does_not_exist_is_gone_when_it_is_deleted(
    call: Call, gone: set[int]
) -> None:
    errors = [refusal({"errcode": number}, call) for number in BY_NUMBER]

    assert {each.number for each in errors if each.policy is ErrorPolicy.GONE} == gone


@pytest.mark.parametrize("call", [READ, DELETE, DELETE_DEPARTMENT, LOGIN], ids=lambda one: one.path)
def test_no_correction_is_promised_where_nothing_was_sent_that_could_be_corrected(
    call: Call,
) -> None:
    errors = [refusal({"errcode": number}, call) for number in BY_NUMBER]
    errors = [each for each in errors if each.policy is not ErrorPolicy.GONE]  # told to nobody

    assert [each.number for each in errors if each.fix or "corrects it" in str(each.hint)] == []


@pytest.mark.parametrize("number", [40001, 40013, 40014, 40091, 41002, 41004, 42001, 45031])
def test_a_token_call_that_is_refused_means_wrong_credentials(number: int) -> None:
    error = refusal({"errcode": number}, LOGIN)

    assert isinstance(error, CredentialsRejectedError)
    assert error.policy is ErrorPolicy.STOP


def test_60020_carries_the_address_to_add() -> None:
    error = refusal(
        {
            "errcode": 60020,
            "errmsg": "not allow to access from your ip, hint: [1707074068426830714460135], "
            "from ip: 203.0.113.77, more info at "
            "https://open.work.weixin.qq.com/devtool/query?e=60020",
        }
    )

    assert isinstance(error, AddressNotTrustedError)
    assert (error.policy, error.fix, error.suspicious) == (ErrorPolicy.STOP, None, False)
    assert error.ip == "203.0.113.77"
    assert "203.0.113.77" in str(error.title)
    assert "203.0.113.77" in str(error.hint)


def test_60020_without_an_address_still_says_what_to_do() -> None:
    error = refusal({"errcode": 60020, "errmsg": "from ip: 180.xxx.82.xx, more info"})

    assert isinstance(error, AddressNotTrustedError)
    assert error.ip is None
    assert "企业可信IP" in str(error.hint)


@pytest.mark.parametrize(
    ("errmsg", "holder"),
    [
        ("mobile existed:zhangsan", "zhangsan"),
        ("mobile existed: Li.Si-2@x_y, hint: [1], from ip: 1.2.3.4", "Li.Si-2@x_y"),
        ("Warning: wrong json format. mobile existed:a", "a"),
        ("mobile existed", None),
        ("mobile existed:张三", None),
        ("", None),
    ],
)
def test_60104_names_the_holder_of_the_mobile(errmsg: str, holder: str | None) -> None:
    error = refusal({"errcode": 60104, "errmsg": errmsg})

    assert isinstance(error, MobileTakenError)
    assert (error.policy, error.fix, error.suspicious) == (
        ErrorPolicy.FIX,
        Correction.ADOPT_HOLDER,
        False,
    )
    assert error.holder == holder


@pytest.mark.parametrize("number", [60011, 40058, 99999])
def test_what_hints_at_a_fault_of_the_whole_set_up_is_marked(number: int) -> None:
    assert refusal({"errcode": number}).suspicious


def test_an_unknown_code_is_reported_with_the_vendors_words() -> None:
    error = refusal({"errcode": 99999, "errmsg": "something new"})

    assert error.policy is ErrorPolicy.SKIP
    assert "99999: something new" in str(error)


@pytest.mark.parametrize(
    ("number", "backoff_s"),
    [
        (-1, (1.0, 2.0, 4.0)),
        (45009, (60.0,)),
        (45033, (2.0, 4.0, 8.0)),
        (81026, (30.0, 60.0)),
    ],
)
def test_a_limit_that_lasts_is_waited_for_longer(number: int, backoff_s: tuple[float, ...]) -> None:
    assert refusal({"errcode": number}).backoff_s == backoff_s


@pytest.mark.parametrize("number", sorted(BY_NUMBER))
def test_no_error_shows_a_secret_that_the_vendor_quotes(number: int) -> None:
    error = refusal({"errcode": number, "errmsg": "got t0k3n-t0k3n"})

    assert "t0k3n" not in str(error) + repr(vars(error))


def test_a_wrong_form_is_surfaced_although_wecom_calls_it_a_success() -> None:
    warning = format_warning(
        {"errcode": 0, "errmsg": "updated. Warning: wrong json format. "}, UPDATE
    )

    assert "user/update" in str(warning)


@pytest.mark.parametrize("answer", [{"errcode": 0, "errmsg": "updated"}, {}])
def test_a_plain_success_has_no_warning(answer: dict[str, Any]) -> None:
    assert format_warning(answer, UPDATE) is None
