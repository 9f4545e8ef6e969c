"""Parses DingTalk's JSON, alike for the handler that stores it and the views that show it.

Python accepts NaN and Infinity, which are not JSON, and refuses numbers of thousands of digits,
which are; it cannot write 1e999 as JSON again. Numbers that Python cannot hold become `Digits`.
"""

import json
from math import isfinite


def read_json(text: str | bytes) -> object:
    """Return the JSON value of `text`; raises ValueError if it is not JSON or nested too deep."""
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    try:
        return _DECODER.decode(text)
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc


class Digits(str):
    """The digits of a number that Python cannot hold."""

    __slots__ = ()


def _number(digits: str) -> float | Digits:
    number = float(digits)
    return number if isfinite(number) else Digits(digits)


def _integer(digits: str) -> int | Digits:
    try:
        return int(digits)
    except ValueError:
        return Digits(digits)


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_integer, parse_constant=_refuse)
