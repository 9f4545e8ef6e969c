from pathlib import Path

import pytest

from server.config.paths import DataFolder, default_root
from server.errors.base import FileAccessError


def test_windows_uses_the_local_application_data() -> None:
    environ = {"LOCALAPPDATA": "/profiles/张 三/AppData/Local"}
    assert Path("/profiles/张 三/AppData/Local/DingBridge") == default_root(environ, "win32")


def test_linux_uses_the_xdg_data_folder() -> None:
    assert Path("/data/dingbridge") == default_root({"XDG_DATA_HOME": "/data"}, "linux")


@pytest.mark.parametrize("xdg", [{}, {"XDG_DATA_HOME": ""}, {"XDG_DATA_HOME": "relative"}])
def test_without_a_usable_xdg_folder_the_home_is_used(xdg: dict[str, str]) -> None:
    expected = Path("/home/wang/.local/share/dingbridge")
    assert expected == default_root({"HOME": "/home/wang", **xdg}, "linux")


def test_a_new_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "数据 文件夹" / "钉桥")
    folder.ensure()
    folder.ensure()
    assert folder.root.stat().st_mode & 0o777 == 0o700
    assert list(folder.root.iterdir()) == []


def test_a_file_in_the_folders_place_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(FileAccessError) as caught:
        DataFolder(tmp_path / "taken").ensure()
    assert str(tmp_path / "taken") == caught.value.values["path"]
    assert caught.value.values["reason"] == "File exists"
