import csv
import json
from pathlib import Path

import pytest

from server.api.app import App
from server.api.status import EventPage, EventView
from server.config.paths import DataFolder
from server.config.settings import Language
from ui.export.exporting import export
from ui.feeds.event_feed import EventFilter
from ui.words.text import Texts

HALF = EventView(1, 0, "a", None, None, "done", None, {"name": "钉\ud83d"}, 0)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    app = App(DataFolder(tmp_path / "data"))
    monkeypatch.setattr(app, "events", lambda *_, **__: EventPage((HALF,), None))
    return app


@pytest.mark.parametrize("sign", [*"=+-@\t\r\n＝＋－＠"])
def test_a_spreadsheet_takes_no_event_for_a_formula(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    event = EventView(1, 0, f"{sign}1", sign, None, "done", None, f"{sign}2", 0)
    app = App(DataFolder(tmp_path / "data"))
    monkeypatch.setattr(app, "events", lambda *_, **__: EventPage((event,), None))
    path = tmp_path / "events.csv"

    export(app, EventFilter(), path, Texts(Language.ENGLISH))

    with path.open(encoding="utf-8-sig", newline="") as file:
        _, row = csv.reader(file)
    assert [row[3], row[7], row[9]] == [f"'{sign}1", f"'{sign}", f"'{sign}2"]


@pytest.mark.parametrize("name", ["events.csv", "events.json"])
def test_half_a_surrogate_pair_is_written_as_its_escape(
    app: App, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    assert export(app, EventFilter(), path, Texts(Language.ENGLISH)) == 1
    assert "钉\\ud83d" in path.read_text("utf-8")
    if path.suffix == ".json":
        (event,) = json.loads(path.read_text("utf-8"))
        assert event["payload"] == HALF.payload
