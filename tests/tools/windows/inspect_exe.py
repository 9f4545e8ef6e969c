"""Tells what a built program holds; runs on the Windows Python under Wine, which has PyInstaller.

    python.exe inspect_exe.py PROGRAM

Prints JSON: names in its archive of modules, files it carries, sizes of its icon, its version
resource, its manifest, and whether it is windowed.
"""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

# Found on that Python only, so type checkers are not to look for them.
pefile = import_module("pefile")
readers = import_module("PyInstaller.archive.readers")

_ICON, _MANIFEST = 3, 24
_WINDOWED = 2


def main() -> None:
    """Inspect the program named on the command line."""
    program = sys.argv[1]
    with pefile.PE(program) as executable:
        icons = [_icon_size(content) for content in _resources(executable, _ICON)]
        found = {
            "is_windowed": executable.OPTIONAL_HEADER.Subsystem == _WINDOWED,
            "icon_sizes": sorted(icons),
            "version": dict(_version_texts(executable)),
            "manifest": next(_resources(executable, _MANIFEST)).decode(),
            "built_at": executable.FILE_HEADER.TimeDateStamp,
        }
    archive = readers.CArchiveReader(program)
    found["files"] = sorted(archive.toc)
    found["modules"] = sorted(archive.open_embedded_archive("PYZ.pyz").toc)
    json.dump(found, sys.stdout)


def _resources(executable: Any, kind: int) -> Iterator[bytes]:
    for entry in executable.DIRECTORY_ENTRY_RESOURCE.entries:
        if entry.id == kind:
            for named in entry.directory.entries:
                place = named.directory.entries[0].data.struct
                yield executable.get_data(place.OffsetToData, place.Size)


def _icon_size(content: bytes) -> int:
    # A PNG's width in its header, or a bitmap's.
    if content.startswith(b"\x89PNG"):
        return int.from_bytes(content[16:20], "big")
    return int.from_bytes(content[4:8], "little")


def _version_texts(executable: Any) -> Iterator[tuple[str, str]]:
    for block in executable.FileInfo[0]:
        for table in getattr(block, "StringTable", ()):
            for name, text in table.entries.items():
                yield name.decode(), text.decode()


if __name__ == "__main__":
    main()
