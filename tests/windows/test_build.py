import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from server.version import VERSION
from tests.tools.windows.build import ROOT, build
from tests.tools.windows.program import Program
from tests.tools.windows.wine import Wine, outcome, windows_path
from ui.assets.icon import SIZES_PX

INSPECT = ROOT / "tests/tools/windows/inspect_exe.py"
LARGEST_BYTES = 30_000_000


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def checksums(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files_in(folder).items()}


@pytest.fixture(scope="session")
def parts(wine: Wine, built: Path, python: Path) -> Any:
    """What the one-file program holds."""
    where = (windows_path(INSPECT), windows_path(built / "DingBridge.exe"))
    out, err = outcome(wine.start(python, *where), b"", 120)
    assert out, err
    return json.loads(out)


def test_the_program_says_its_version(either: Program) -> None:
    done = either.run("--version")
    assert (0, f"{VERSION}\n", "") == (done.code, done.out, done.err)


def test_the_one_file_is_small(built: Path) -> None:
    assert (built / "DingBridge.exe").stat().st_size < LARGEST_BYTES


def test_explorer_shows_icon_and_version(parts: Any) -> None:
    assert parts["is_windowed"]
    assert sorted(SIZES_PX) == parts["icon_sizes"]
    assert parts["version"]["ProductVersion"] == VERSION
    assert parts["version"]["ProductName"] == "DingBridge 钉桥"


def test_the_manifest_asks_for_sharp_letters_long_paths_and_no_rights(parts: Any) -> None:
    manifest = parts["manifest"]
    assert "PerMonitorV2" in manifest
    assert re.search(r"longPathAware[^<]*>\s*true", manifest)
    assert 'level="asInvoker"' in manifest


def test_both_packages_that_differ_by_case_are_inside(parts: Any) -> None:
    names = set(parts["modules"])
    assert {"crypto", "crypto.envelope", "crypto.callback"} <= names
    assert {"Crypto", "Crypto.Cipher", "Crypto.Cipher.AES"} <= names


def test_the_ciphers_that_are_found_by_name_are_inside(built: Path) -> None:
    inside = {path.stem for path in (built / "DingBridge-portable").rglob("Crypto/**/*.pyd")}
    # Callbacks take CBC; an export takes GCM, with the processor's own instructions or without.
    assert {"_raw_cbc", "_raw_aes", "_raw_aesni", "_ghash_portable", "_ghash_clmul"} <= inside


def test_nothing_that_only_builds_or_tests_is_inside(parts: Any) -> None:
    tops = {name.partition(".")[0] for name in parts["modules"]}
    assert not tops & {"tests", "PyInstaller", "setuptools", "unittest", "pip", "numpy", "babel"}


def test_nothing_of_wine_went_into_it(built: Path) -> None:
    content = files_in(built / "DingBridge-portable")
    of_wine = [name for name, found in content.items() if b"Wine builtin" in found]
    assert not of_wine
    assert not [name for name in content if re.search(r"api-ms-|ucrtbase", name)]


def test_the_zip_holds_the_folder(built: Path) -> None:
    with zipfile.ZipFile(built / "DingBridge-portable.zip") as archive:
        zipped = {name: archive.read(name) for name in archive.namelist()}
    folder = files_in(built / "DingBridge-portable")
    assert zipped == {f"DingBridge/{name}": content for name, content in folder.items()}


def test_it_is_not_packed(built: Path) -> None:
    # Virus scanners take packed programs for malicious ones.
    for name, content in files_in(built).items():
        assert b"UPX!" not in content, name


def test_the_licence_of_every_part_is_inside(built: Path) -> None:
    text = (built / "DingBridge-portable/_internal/ui/assets/licences.txt").read_text("utf-8")
    chapters = set(re.findall(r"^={80}\n(.+)\n={80}$", text, re.MULTILINE))
    requirements = (ROOT / "requirements.txt").read_text("utf-8")
    assert chapters >= set(re.findall(r"^([\w-]+)==", requirements, re.MULTILINE))
    assert chapters >= {"certifi", "idna", "urllib3", "charset-normalizer", "pyinstaller"}
    assert chapters >= {"python", "openssl", "sqlite", "tcl-tk", "zlib", "libffi"}


def test_the_handbook_is_inside(built: Path) -> None:
    inside = built / "DingBridge-portable/_internal/ui/help"
    shown = {*(ROOT / "ui/help/html").rglob("*.html"), *(ROOT / "ui/help/pictures").glob("*.png")}
    wanted = {one.relative_to(ROOT / "ui/help").as_posix() for one in shown} | {"style.css"}
    assert wanted == {
        one.relative_to(inside).as_posix() for one in inside.rglob("*") if one.is_file()
    }


def test_what_is_built_is_what_requirements_pin() -> None:
    pinned = r"^([\w-]+)==(\S+)"
    locked = dict(
        re.findall(pinned, (ROOT / "requirements-build.txt").read_text("utf-8"), re.MULTILINE)
    )
    wanted = dict(re.findall(pinned, (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE))
    assert wanted == {name: locked.get(name) for name in wanted}


def test_a_second_build_is_the_same_to_the_byte(built: Path, python: Path, wine: Wine) -> None:
    assert checksums(built) == checksums(build(python.parent, wine))
