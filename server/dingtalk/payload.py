"""What DingTalk sends as JSON, read alike by the desk that stores it and the views that show it.

Python takes NaN and Infinity, which are no JSON, and refuses numbers of thousands of digits, which
are; what it reads of 1e999 it cannot write as JSON again. Numbers beyond it become `Digits`.
"""

import json
from math import isfinite


def read_json(text: str | bytes) -> object:
    """Return the JSON value of `text`; raises ValueError where it is none, or nested too deep."""
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    try:
        return _DECODER.decode(text)
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc


class Digits(str):
    """The digits of a number that Python has no number for."""

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
