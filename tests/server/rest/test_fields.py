import pytest

from server.rest import fields


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", "a"), ("", ""), (7, "7"), (None, None), (True, None), ({}, None), ("\ud83d!", "�!")],
)
def test_text_keeps_strings_and_numbers_and_repairs_half_characters(
    value: object, expected: str | None
) -> None:
    assert fields.text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(" a ", "a"), ("  ", None), (5, "5"), (None, None), ([], None)]
)
def test_a_blank_identifier_is_none(value: object, expected: str | None) -> None:
    assert fields.identifier(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        ("0", 0),
        (" -1 ", -1),
        ("176318669012199520", 176318669012199520),
        (176318669012199521, 176318669012199521),
        (True, None),
        ("x", None),
        (1.5, None),
        (None, None),
        ("²", None),
        ("٣", None),
        ("1_0", None),
        ("+5", 5),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (10**400, None),
        ("9" * 5000, None),
    ],
)
def test_number_reads_digits_at_full_precision(value: object, expected: int | None) -> None:
    assert fields.number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("False", False),
        (1, True),
        (0, False),
        ("0", False),
        ("", None),
        (None, None),
        ([], None),
        (nested(3000), None),
    ],
)
def test_flag_reads_every_spelling_and_knows_unknown(value: object, expected: object) -> None:
    assert fields.flag(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([2, 3], ("2", "3")),
        ("[2,3,4]", ("2", "3", "4")),
        (["a", "a", " ", None, "b"], ("a", "b")),
        ("abc", ("abc",)),
        (5, ("5",)),
        ([], ()),
        ("", None),
        (None, None),
        ("[broken", None),
        ("[" * 100_000, None),
    ],
)
def test_identifiers_reads_arrays_strings_and_bare_ids(
    value: object, expected: tuple[str, ...] | None
) -> None:
    assert fields.identifiers(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"a": 1}, 5], ({"a": 1},)),
        ({"a": 1}, ({"a": 1},)),
        ('{"a":1}', ({"a": 1},)),
        (None, None),
    ],
)
def test_objects_takes_an_object_where_an_array_belongs(value: object, expected: object) -> None:
    assert fields.objects(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"a": 1}], ({"a": 1},)),
        ([{"a": 1}, 5], None),
        ([None], None),
        ([], ()),
        (None, None),
    ],
)
def test_only_objects_knows_nothing_where_an_entry_is_odd(value: object, expected: object) -> None:
    assert fields.only_objects(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([2, "3", 2], ("2", "3")),
        ("[2,3]", ("2", "3")),
        ([], ()),
        (None, None),
        ([2, "x"], None),
        ([2, None], None),
    ],
)
def test_whole_numbers_knows_nothing_where_an_id_is_odd(value: object, expected: object) -> None:
    assert fields.whole_numbers(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not allow to access from your ip, hint: [1], from ip: 203.0.113.9, more", "203.0.113.9"),
        ("访问ip不在白名单之中,request ip=203.0.113.9 appKey(x)", "203.0.113.9"),
        ("from ip: 2001:db8::1, more", "2001:db8::1"),
        ("from ip: 180.xxx.82.xx, more", None),
        ("from ip: 999.1.1.1", None),
        ("nothing", None),
    ],
)
def test_an_address_is_found_after_the_word_ip(text: str, expected: str | None) -> None:
    assert fields.named_address(text) == expected
