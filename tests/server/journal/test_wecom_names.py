from sqlite3 import Connection

from server.directory.change import Action
from server.directory.model import DepartmentLink, DepartmentState, Kind, MemberState, PersonLink
from server.journal import ledger, runs
from server.journal.runs import RecordedChange, Result, RunCause


def test_ids_are_named_as_the_ledger_and_the_run_know_them(conn: Connection) -> None:
    ledger.put_person(conn, PersonLink("u1", "w1", MemberState("赵")))
    ledger.put_department(conn, DepartmentLink("10", "2", DepartmentState("旧部", "1", 5)))
    ledger.put_department(conn, DepartmentLink("11", "3", DepartmentState("研发", "1", 6)))
    run_id = runs.begin(conn, RunCause.ASKED, 100)
    renamed = {"name": ("旧部", "新部")}
    for change in (
        RecordedChange(Action.UPDATE, Kind.DEPARTMENT, "10", "2", renamed, Result.PLANNED),
        RecordedChange(
            Action.CREATE, Kind.DEPARTMENT, "12", "4", {"name": (None, "客服")}, Result.HELD
        ),
        RecordedChange(Action.DELETE, Kind.DEPARTMENT, "11", "3", {}, Result.HELD),
    ):
        runs.record(conn, run_id, change)

    departments = ledger.wecom_names(conn, run_id, Kind.DEPARTMENT, ["2", "3", "4", "5"])
    people = ledger.wecom_names(conn, run_id, Kind.PERSON, ["w1", "w2"])

    assert departments == {"2": "新部", "3": "研发", "4": "客服"}
    assert people == {"w1": "赵"}
