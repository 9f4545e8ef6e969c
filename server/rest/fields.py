"""Reads single fields of JSON that does not keep to its documented types.

Both vendors send `"errcode":"0"`, `"boss":"true"` or `"dept_id_list":"[2,3,4]"` now and then, in
their samples and in real answers (facts, DingTalk 5.2 and WeCom 1). Every reader here returns None
for what is absent or cannot be read: unknown is not empty.
"""

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,20}")
_LARGEST = 2**63 - 1
_ADDRESS = re.compile(r"(?i)\bip\W{0,3}([0-9a-f.:]{3,})")


def text(value: object) -> str | None:
    """Return a string or a number as a string; None for anything else.

    Halves of surrogate pairs, which JSON can carry and UTF-8 cannot, become U+FFFD: one broken
    emoji in a name must not make every request that repeats it fail.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def identifier(value: object) -> str | None:
    """Return an id as a string; None where it is absent or blank."""
    found = text(value)
    return found.strip() or None if found is not None else None


def number(value: object) -> int | None:
    """Return a whole number of 64 bits, also out of a string, at full precision.

    Orders exceed 2**53, and nothing of either vendor exceeds 2**63. `int` alone would take "1_0",
    "²" is a digit to `isdigit`, and neither is a number to anybody else.
    """
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if -_LARGEST <= value <= _LARGEST else None


def whole_number(value: object) -> str | None:
    """Return the id of a department as a string; None where it is no whole number."""
    found = number(value)
    return None if found is None else str(found)


def flag(value: object) -> bool | None:
    """Return a truth value, also out of "true", "false", 0, 1, "0", "1"."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False, "1": True, "0": False}.get(
        (text(value) or "").strip().lower()
    )


def items(value: object) -> tuple[object, ...] | None:
    """Return the entries of an array; also out of a string like "[2,3,4]", or one bare entry."""
    if isinstance(value, str) and value.strip().startswith(("[", "{")):
        value = _parse_json(value)
    if value is None or value == "":
        return None
    return tuple(value) if isinstance(value, list) else (value,)


def _parse_json(raw: str) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # a string of brackets nests as deep as it is long
        return None


def identifiers(value: object) -> tuple[str, ...] | None:
    """Return an array of ids in its order without repeats; None where there is no array."""
    entries = items(value)
    if entries is None:
        return None
    found = (identifier(entry) for entry in entries)
    return tuple(dict.fromkeys(entry for entry in found if entry is not None))


def whole_numbers(value: object) -> tuple[str, ...] | None:
    """Return an array of department ids in its order without repeats.

    None where there is no array, and where one of them cannot be read: who is in two departments
    of which one is odd would seem to be in the other one only.
    """
    entries = items(value)
    if entries is None:
        return None
    ids = [one for one in map(whole_number, entries) if one is not None]
    return tuple(dict.fromkeys(ids)) if len(ids) == len(entries) else None


def objects(value: object) -> tuple[Mapping[str, Any], ...] | None:
    """Return the JSON objects of an array, or a single object as an array of one."""
    entries = items(value)
    if entries is None:
        return None
    return tuple(entry for entry in entries if isinstance(entry, dict))


def only_objects(value: object) -> tuple[Mapping[str, Any], ...] | None:
    """Return the JSON objects of an array in which there is nothing else; None for any other."""
    entries, found = items(value), objects(value)
    return (
        found if entries is not None and found is not None and len(found) == len(entries) else None
    )


def named_address(vendor_text: str) -> str | None:
    """Return the IP address that a text names after the word "ip"; None if it names none."""
    for found in _ADDRESS.finditer(vendor_text):
        try:
            return str(ipaddress.ip_address(found[1].rstrip(".:")))
        except ValueError:
            continue
    return None
