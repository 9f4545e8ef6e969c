"""Reads single fields of JSON that does not keep to its documented types.

Both vendors sometimes send `"errcode":"0"`, `"boss":"true"` or `"dept_id_list":"[2,3,4]"`, in their
samples and in real answers. Every function here returns None for a value that is absent or
unreadable: unknown is not empty.
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

    Lone surrogates, which JSON can hold and UTF-8 cannot, become U+FFFD: one broken emoji in a name
    must not make every request fail that repeats it.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def identifier(value: object) -> str | None:
    """Return an id as a string; None if it is absent or blank."""
    found = text(value)
    return found.strip() or None if found is not None else None


def number(value: object) -> int | None:
    """Return a 64-bit whole number at full precision, also from a string.

    Orders exceed 2**53; nothing exceeds 2**63. `int` alone would accept "1_0", and `isdigit` "²".
    """
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if -_LARGEST <= value <= _LARGEST else None


def whole_number(value: object) -> str | None:
    """Return a department's id as a string; None if it is not a whole number."""
    found = number(value)
    return None if found is None else str(found)


def flag(value: object) -> bool | None:
    """Return a truth value, also from "true", "false", 0, 1, "0", "1"."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False, "1": True, "0": False}.get(
        (text(value) or "").strip().lower()
    )


def items(value: object) -> tuple[object, ...] | None:
    """Return the entries of an array, of a string like "[2,3,4]", or a single bare entry."""
    if isinstance(value, str) and value.strip().startswith(("[", "{")):
        value = _parse_json(value)
    if value is None or value == "":
        return None
    return tuple(value) if isinstance(value, list) else (value,)


def _parse_json(raw: str) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # thousands of brackets nest too deep
        return None


def identifiers(value: object) -> tuple[str, ...] | None:
    """Return the ids of an array in order, without repeats; None if there is no array."""
    entries = items(value)
    if entries is None:
        return None
    found = (identifier(entry) for entry in entries)
    return tuple(dict.fromkeys(entry for entry in found if entry is not None))


def whole_numbers(value: object) -> tuple[str, ...] | None:
    """Return the department ids of an array in order, without repeats.

    None if there is no array, or if one id is unreadable: a person in two departments would
    otherwise seem to be in one only.
    """
    entries = items(value)
    if entries is None:
        return None
    ids = [one for one in map(whole_number, entries) if one is not None]
    return tuple(dict.fromkeys(ids)) if len(ids) == len(entries) else None


def objects(value: object) -> tuple[Mapping[str, Any], ...] | None:
    """Return the JSON objects of an array; a single object counts as an array of one."""
    entries = items(value)
    if entries is None:
        return None
    return tuple(entry for entry in entries if isinstance(entry, dict))


def only_objects(value: object) -> tuple[Mapping[str, Any], ...] | None:
    """Return the JSON objects of an array; None if it holds anything else."""
    entries, found = items(value), objects(value)
    return (
        found if entries is not None and found is not None and len(found) == len(entries) else None
    )


def named_address(vendor_text: str) -> str | None:
    """Return the IP address that follows the word "ip" in a text; None if there is none."""
    for found in _ADDRESS.finditer(vendor_text):
        try:
            return str(ipaddress.ip_address(found[1].rstrip(".:")))
        except ValueError:
            continue
    return None
