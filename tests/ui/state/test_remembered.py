from pathlib import Path

import pytest

from ui.state.remembered import Area, Remembered, fitted, load, save

SCREEN = Area(0, 0, 1920, 1080)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    kept = Remembered({"main": "1000x700+10+20"}, guide_step=3, is_tray_explained=True)

    save(tmp_path / "ui-state.json", kept)

    assert load(tmp_path / "ui-state.json") == kept


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\xff",
        b'{"windows": 3, "guide_step": -1, "is_guide_done": "yes"}',
        b'{"windows": {"main": "$(rm)"}, "guide_step": true}',
    ],
)
def test_a_strange_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ui-state.json"
    path.write_bytes(content)

    assert load(path) == Remembered()


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        ("1000x700+10+20", "1000x700+10+20"),
        ("1000x700+2500+300", "1000x700+1840+300"),  # that screen is gone
        ("1000x700+-3000+300", "1000x700-920+300"),
        ("1000x700+10+-50", "1000x700+10+0"),  # its title bar could not be caught
        ("1000x700+10+5000", "1000x700+10+1000"),
        ("4000x3000+0+0", "1920x1080+0+0"),
    ],
)
def test_a_window_comes_up_where_it_can_be_seen(geometry: str, expected: str) -> None:
    assert fitted(geometry, SCREEN) == expected


def test_a_second_screen_at_the_left_is_seen() -> None:
    both = Area(-1920, 0, 3840, 1080)

    assert fitted("1000x700+-1900+20", both) == "1000x700-1900+20"


@pytest.mark.parametrize("geometry", ["", "zoomed", "10x", "1x1+1", "1000x700+10+20; exit"])
def test_what_is_no_geometry_is_refused(geometry: str) -> None:
    assert fitted(geometry, SCREEN) is None
