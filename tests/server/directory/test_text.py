import pytest

from server.directory import text


def test_forbidden_characters_become_their_full_width_twins() -> None:
    assert text.department_name(' a\\b:c*d?e"f<g>h|i ') == "a＼b：c＊d？e＂f＜g＞h｜i"


@pytest.mark.parametrize(
    ("number", "code", "expected"),
    [
        ("13800000000", "86", "13800000000"),
        ("13800000000", "", "13800000000"),
        ("+86-13800000000", "86", "13800000000"),
        ("138 0000 0000\u202c", "+86", "13800000000"),
        ("61234567", "852", "+85261234567"),
        ("+852-61234567", "852", "+852-61234567"),
        ("1**********", "86", None),
        ("", "86", None),
        ("1" * 40, "86", None),
    ],
)
def test_a_mobile_carries_its_country_code_unless_it_is_86(
    number: str, code: str, expected: str | None
) -> None:
    assert text.mobile(number, code) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [("(010) 1234-5", "0101234-5"), ("010,1", "010,1"), ("ext. 5", None), ("1" * 33, None)],
)
def test_a_telephone_is_digits_and_three_signs(number: str, expected: str | None) -> None:
    assert text.telephone(number) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [(" a@b.cn ", "a@b.cn"), ("a@b.c", None), ("abcdefg", None), ("a" * 60 + "@b.cn", None)],
)
def test_an_email_has_6_to_64_bytes(address: str, expected: str | None) -> None:
    assert text.email(address) == expected


@pytest.mark.parametrize("userid", ["u1", "0-a", "A_b.c@d", "x" * 64])
def test_an_allowed_and_free_dingtalk_userid_is_kept(userid: str) -> None:
    assert text.free_userid(userid, ()) == userid


@pytest.mark.parametrize("userid", ["坏", "-a", "a b", "x" * 65, "", "@"])
def test_a_refused_userid_is_replaced_by_a_derived_one_that_is_allowed(userid: str) -> None:
    derived = text.free_userid(userid, ())
    assert derived != userid
    assert text.is_userid(derived)
    assert derived == text.free_userid(userid, ())


def test_a_taken_userid_is_avoided_whatever_its_case() -> None:
    first = text.free_userid("Boss", {"boss"})
    second = text.free_userid("Boss", {"boss", first.lower()})
    assert len({"Boss", first, second}) == 3


def test_a_department_keeps_its_id_where_it_fits_and_is_free() -> None:
    assert text.free_department_id("42", ()) == "42"


@pytest.mark.parametrize("department_id", ["1", "0", "2147483648", "99999999999", "x", "42"])
def test_another_department_id_lies_in_the_upper_half_of_the_range(department_id: str) -> None:
    first = text.free_department_id(department_id, {"42"})
    second = text.free_department_id(department_id, {"42", first})
    assert 2**30 <= int(first) < 2**31
    assert 2**30 <= int(second) < 2**31
    assert first != second


def test_a_numbered_name_stays_within_the_limit_and_its_number_is_found_again() -> None:
    long = "长" * 40
    assert len(text.numbered(long, 12)) == text.DEPARTMENT_NAME_MAX
    assert [text.number_of(long, text.numbered(long, number)) for number in (1, 2, 12)] == [
        1,
        2,
        12,
    ]
    assert [text.number_of("a", name) for name in ("b", "b(2)", "a(1)", "a(x)")] == [None] * 4
