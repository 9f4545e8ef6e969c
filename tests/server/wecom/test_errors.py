import re
from typing import Any

import pytest

from crypto.secret import Secret
from server.fate import Fate, Fix
from server.rest.session import Call, Purpose
from server.vendor_errors import (
    AddressNotTrustedError,
    CredentialsRejectedError,
    MobileTakenError,
    VendorRefusedError,
    VendorReplyError,
)
from server.wecom.errors import format_warning, raise_for_error
from server.wecom.meanings import MEANINGS

SECRET = Secret("t0k3n-t0k3n")
UPDATE = Call("cgi-bin/user/update", Purpose.WRITE, secrets={"access_token": SECRET})
DELETE = Call("cgi-bin/user/delete", Purpose.DELETE, secrets={"access_token": SECRET})
LOGIN = Call("cgi-bin/gettoken", Purpose.TOKEN, secrets={"corpsecret": SECRET})

# Every row of the facts' tables (WeCom 1 and 4) that a call of ours can meet. Not among them: what
# belongs to calls we do not make (JSAPI, tags, batch and media, app names, messages, biz mail).
ROWS: list[tuple[int, Fate, Fix | None]] = [
    (-1, Fate.RETRY, None),
    (6000, Fate.RETRY, None),
    (40001, Fate.STOP, None),
    (40003, Fate.SKIP, None),
    (40013, Fate.STOP, None),
    (40014, Fate.REFRESH_TOKEN, None),
    (40031, Fate.SKIP, None),
    (40033, Fate.STOP, None),
    (40035, Fate.SKIP, None),
    (40058, Fate.SKIP, None),
    (40063, Fate.SKIP, None),
    (40066, Fate.FIX, Fix.REFRESH_DEPARTMENTS),
    (40091, Fate.STOP, None),
    (40206, Fate.STOP, None),
    (41001, Fate.STOP, None),
    (41002, Fate.STOP, None),
    (41004, Fate.STOP, None),
    (41009, Fate.SKIP, None),
    (41019, Fate.SKIP, None),
    (42001, Fate.REFRESH_TOKEN, None),
    (43009, Fate.STOP, None),
    (45009, Fate.RETRY, None),
    (45024, Fate.STOP_CREATES, None),
    (45029, Fate.SKIP, None),
    (45031, Fate.STOP, None),
    (45033, Fate.RETRY, None),
    (46004, Fate.SKIP, None),
    (48001, Fate.STOP, None),
    (48002, Fate.STOP, None),
    (48005, Fate.STOP, None),
    (48006, Fate.STOP, None),
    (48008, Fate.STOP, None),
    (48009, Fate.STOP, None),
    (50002, Fate.SKIP, None),
    (50003, Fate.STOP, None),
    (60001, Fate.SKIP, None),
    (60002, Fate.SKIP, None),
    (60003, Fate.FIX, Fix.REFRESH_DEPARTMENTS),
    (60004, Fate.FIX, Fix.CREATE_PARENT),
    (60005, Fate.DEFER, None),
    (60006, Fate.DEFER, None),
    (60007, Fate.SKIP, None),
    (60008, Fate.FIX, Fix.NAME_TAKEN),
    (60009, Fate.SKIP, None),
    (60010, Fate.FIX, Fix.REORDER_MOVES),
    (60011, Fate.SKIP, None),
    (60020, Fate.STOP, None),
    (60021, Fate.SKIP, None),
    (60030, Fate.SKIP, None),
    (60031, Fate.STOP, None),
    (60102, Fate.FIX, Fix.UPDATE_INSTEAD),
    (60103, Fate.FIX, Fix.DROP_MOBILE),
    (60104, Fate.FIX, Fix.ADOPT_HOLDER),
    (60105, Fate.FIX, Fix.DROP_EMAIL),
    (60106, Fate.FIX, Fix.DROP_EMAIL),
    *((number, Fate.SKIP, None) for number in (60107, 60108, 60109, 60110)),
    (60111, Fate.FIX, Fix.CREATE_INSTEAD),
    *((number, Fate.SKIP, None) for number in (60112, 60113, 60114, 60115, 60116)),
    *((number, Fate.SKIP, None) for number in (60118, 60119, 60120, 60121, 60122)),
    (60123, Fate.FIX, Fix.REFRESH_DEPARTMENTS),
    (60124, Fate.FIX, Fix.CREATE_PARENT),
    *((number, Fate.SKIP, None) for number in (60125, 60126, 60127, 60128, 60129)),
    (60131, Fate.FIX, Fix.DROP_POSITION),
    (60132, Fate.SKIP, None),
    (60133, Fate.SKIP, None),
    (60136, Fate.SKIP, None),
    (60141, Fate.FIX, Fix.DROP_EMAIL),
    (60142, Fate.FIX, Fix.DROP_EMAIL),
    (60146, Fate.SKIP, None),
    (60147, Fate.SKIP, None),
    (60257, Fate.SKIP, None),
    *((number, Fate.SKIP, None) for number in (81001, 81002, 81004, 81012)),
    (81026, Fate.RETRY, None),
    (301005, Fate.SKIP, None),
    (301007, Fate.STOP, None),
    (301012, Fate.FIX, Fix.DROP_POSITION),
    (301013, Fate.FIX, Fix.DROP_TELEPHONE),
    (301021, Fate.SKIP, None),
    (301036, Fate.SKIP, None),
]


def refusal(answer: dict[str, Any], call: Call = UPDATE) -> VendorRefusedError:
    with pytest.raises(VendorRefusedError) as caught:
        raise_for_error(answer, call)
    return caught.value


@pytest.mark.parametrize(("number", "fate", "fix"), ROWS)
def test_each_code_has_its_fate_and_words_for_people(
    number: int, fate: Fate, fix: Fix | None
) -> None:
    error = refusal({"errcode": number, "errmsg": "vendor's text"})

    assert (error.fate, error.fix, error.code) == (fate, fix, f"wecom-{number}")
    assert error.retryable == (fate is Fate.RETRY)
    assert not re.search(r"[{}]", f"{error.title}{error.hint}")


def test_every_row_of_the_table_is_tested() -> None:
    assert set(MEANINGS) <= {number for number, _, _ in ROWS}


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


@pytest.mark.parametrize("number", [60003, 60111, 60123])
def test_what_does_not_exist_is_gone_when_it_is_deleted(number: int) -> None:
    error = refusal({"errcode": number}, DELETE)

    assert (error.fate, error.fix) == (Fate.GONE, None)


@pytest.mark.parametrize("number", [40001, 40013, 40014, 40091, 41002, 41004, 42001, 45031])
def test_a_token_call_that_is_refused_means_wrong_credentials(number: int) -> None:
    error = refusal({"errcode": number}, LOGIN)

    assert isinstance(error, CredentialsRejectedError)
    assert error.fate is Fate.STOP


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
    assert error.holder == holder


@pytest.mark.parametrize("number", [60011, 40058, 99999])
def test_what_hints_at_a_fault_of_the_whole_set_up_is_marked(number: int) -> None:
    assert refusal({"errcode": number}).suspicious


def test_an_unknown_code_is_reported_with_the_vendors_words() -> None:
    error = refusal({"errcode": 99999, "errmsg": "something new"})

    assert error.fate is Fate.SKIP
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


@pytest.mark.parametrize("number", [number for number, _, _ in ROWS])
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
