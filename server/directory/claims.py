"""Values that only one person may have: a mobile, an email (`give_out`)."""

from collections.abc import Mapping

from server.directory.model import id_key


def give_out(wanted: Mapping[str, str], held: Mapping[str, str]) -> dict[str, str]:
    """Give each value to one person: to who holds it already, else to the first by id.

    wanted, held: person -> value, "" for none. Returns value -> person.
    """
    owners: dict[str, str] = {}
    for key in sorted(wanted, key=id_key):
        value = wanted[key]
        if value and (value not in owners or held.get(key) == value):
            owners[value] = key
    return owners
