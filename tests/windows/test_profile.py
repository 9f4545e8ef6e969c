import json
from dataclasses import replace
from pathlib import Path

from tests.tools.windows.profile import in_profile
from tests.tools.windows.program import SETTINGS, Program
from tests.tools.windows.wine import windows_path


def test_a_profile_with_chinese_and_blanks_holds_data_and_unpacked_program(
    one_file: Program, python: Path, tmp_path: Path
) -> None:
    profile = tmp_path / "用户 张三"
    profile.mkdir()
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
    source = ("--from", windows_path(settings))
    assert in_profile(one_file, python, profile, "configure", *source)["code"] == 0
    assert (profile / "DingBridge" / "settings.json").exists()
    tested = in_profile(one_file, python, profile, "self-test", "--json")
    assert tested["code"] == 0
    assert json.loads(tested["out"])["passed"]
    # What the one-file program unpacked is gone with it.
    assert [profile / "DingBridge"] == list(profile.iterdir())


def test_a_chinese_windows_is_spoken_to_in_chinese(fresh: Program) -> None:
    wine = replace(fresh.wine, language="zh_CN.UTF-8")
    shown = replace(fresh, wine=wine).run("status")
    assert shown.code == 0
    assert shown.out.startswith("服务：")
