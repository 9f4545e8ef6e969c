"""What the tests do to a company, where its events do not matter."""

from typing import Any

from server.simulator.company import Company
from server.simulator.roster import ROOT_ID, Person


def found_department(company: Company, name: str = "研发部", parent_id: int = ROOT_ID) -> int:
    """Return the new department's id."""
    return int(company.create_department(name, parent_id)[0]["deptId"][0])


def hire(company: Company, name: str, *dept_ids: int, **details: Any) -> Person:
    """Hire somebody, for the root where no department is named."""
    person = company.draft(name, dept_ids or (ROOT_ID,), **details)
    company.hire(person)
    return person
