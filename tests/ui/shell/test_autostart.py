from pathlib import Path, PureWindowsPath

from ui.shell.autostart import command_line


def test_the_frozen_program_starts_itself_quietly() -> None:
    program = r"C:\Program Files\DingBridge\DingBridge.exe"

    command = command_line(program, None, None)

    assert command == rf'"{PureWindowsPath(program)}" --background'


def test_the_script_and_a_chosen_data_folder_go_along(tmp_path: Path) -> None:
    command = command_line("pythonw.exe", "main.py", tmp_path / "my data")

    folder = tmp_path / "my data"
    assert command == f'"pythonw.exe" "main.py" --background --data-dir "{folder}"'
