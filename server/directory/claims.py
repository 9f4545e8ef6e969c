"""Values that only one person may have: a mobile, an email (`give_out`)."""

from collections.abc import Mapping

from server.directory.model import id_key


def give_out(wanted: Mapping[str, str], held: Mapping[str, str]) -> dict[str, str]:
    """Give each value to one person: to who holds it already, else to the first by id.

    wanted, held: person -> value, "" for none. Returns value -> person.
    """
    owners: dict[str, str] = {}
    for key, value in wanted.items():
        if value and (value not in owners or _goes_before(key, owners[value], value, held)):
            owners[value] = key
    return owners


def _goes_before(key: str, other: str, value: str, held: Mapping[str, str]) -> bool:
    def rank(one: str) -> tuple[bool, tuple[int, str]]:
        return held.get(one) != value, id_key(one)

    return rank(key) < rank(other)
