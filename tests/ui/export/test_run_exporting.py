import csv
import json
from pathlib import Path

import pytest

from server.api.app import App
from server.api.status import ChangeView, ErrorView, RunSummary
from server.config.paths import DataFolder
from server.config.settings import Language
from server.errors.base import FileAccessError
from server.errors.message import Message
from ui.export.run_exporting import export_run
from ui.words.text import Texts

# Excel takes the wide signs for the narrow ones, and skips a line feed.
FORMULAS = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠SUM(1)"]
ENGLISH = Texts(Language.ENGLISH)
RUN = RunSummary(
    1, Message("asked"), is_full=True, started_at_ms=1, finished_at_ms=2, status="partial"
)
ERROR = ErrorView("no-contact", Message("No contact."), Message("Enter one."))
CHANGES = (
    ChangeView("update", "person", "u1", "w1", '=HYPERLINK("x")', {"name": ("a", "b")}, "done"),
    ChangeView("create", "person", "+8613", "", "李", {}, "skipped", ERROR),
)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    app = App(DataFolder(tmp_path / "data"))
    monkeypatch.setattr(
        app.mirror, "changes", lambda _, limit, after=0: CHANGES[after : after + limit]
    )
    return app


def test_a_spreadsheet_takes_no_name_for_a_formula(app: App, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"

    assert export_run(app, RUN, path, ENGLISH) == 2

    with path.open(encoding="utf-8-sig", newline="") as file:
        _, first, second = csv.reader(file)
    assert first[2:6] == ['\'=HYPERLINK("x")', "u1", "w1", "Name: a → b"]
    assert second[3] == "'+8613"
    assert second[6:9] == ["Skipped", "No contact.", "Enter one."]


@pytest.mark.parametrize("name", FORMULAS)
def test_no_beginning_of_a_formula_begins_a_cell(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change = ChangeView("create", "person", "u1", "", name, {}, "done")
    monkeypatch.setattr(app.mirror, "changes", lambda *_: (change,))
    path = tmp_path / "run.csv"

    export_run(app, RUN, path, ENGLISH)

    with path.open(encoding="utf-8-sig", newline="") as file:
        _, row = csv.reader(file)
    assert row[2] == f"'{name}"


def test_a_trouble_with_another_file_is_not_told_as_one_with_this(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> tuple[ChangeView, ...]:
        raise PermissionError(13, "Permission denied", "another")

    monkeypatch.setattr(app.mirror, "changes", fail)
    with pytest.raises(PermissionError):
        export_run(app, RUN, tmp_path / "run.csv", ENGLISH)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("ending", [".csv", ".json"])
def test_a_disk_that_fills_up_is_told_with_the_file(app: App, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"run{ending}"
    path.symlink_to("/dev/full")

    with pytest.raises(FileAccessError) as raised:
        export_run(app, RUN, path, ENGLISH)
    assert raised.value.title.values["path"] == str(path)


def test_programs_get_the_document_of_the_command_line(app: App, tmp_path: Path) -> None:
    path = tmp_path / "run.json"

    assert export_run(app, RUN, path, ENGLISH) == 2

    document = json.loads(path.read_text("utf-8"))
    assert document["status"] == "partial"
    assert [change["dingtalk_id"] for change in document["changes"]] == ["u1", "+8613"]
    assert document["changes"][1]["error"]["code"] == "no-contact"


def test_a_file_that_cannot_be_written_is_said_in_words(app: App, tmp_path: Path) -> None:
    with pytest.raises(FileAccessError):
        export_run(app, RUN, tmp_path / "nowhere" / "run.csv", ENGLISH)
