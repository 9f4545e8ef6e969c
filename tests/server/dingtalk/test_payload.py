import json

import pytest

from server.dingtalk.payload import read_json

DIGITS = "9" * 6000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"名":[1,-2.5,1e3,null,true]}', {"名": [1, -2.5, 1000.0, None, True]}),
        (f'{{"n":{DIGITS}}}', {"n": DIGITS}),
        ('{"n":[1e999,-1E+999]}', {"n": ["1e999", "-1E+999"]}),
        ('"\\ud800"', "\ud800"),
    ],
)
def test_all_json_is_read_and_can_be_written_again(text: str, value: object) -> None:
    assert read_json(text) == value
    json.dumps(read_json(text), allow_nan=False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_bytes_are_read_in_any_encoding_of_json(encoding: str) -> None:
    assert read_json('{"名":1}'.encode(encoding)) == {"名": 1}


@pytest.mark.parametrize(
    "text", ["", "success", "NaN", '{"a":-Infinity}', "[" * 100_000, b"\xff\xff", b"", "{} {}"]
)
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(text)
