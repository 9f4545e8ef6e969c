"""The licences of all that the built program contains, in one text.

build.spec has it collected and puts it beside this file; the program shows it. The Python packages
bring theirs; what comes as machine code with Python itself stands in the folder `licences`.
"""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

_FOLDER = Path(__file__).with_name("licences")
_LICENCE_FILE = re.compile(r"(licen[cs]e|copying|notice|authors)", re.IGNORECASE)
_COLLECTED = Path(__file__).with_name("licences.txt")
_RULE = "=" * 80
# What the program runs on, for one that was not built: there, other packages may be installed.
_OURS = frozenset(
    {"bottle", "certifi", "charset-normalizer", "idna", "pillow", "pycryptodome"}
    | {"pystray", "requests", "six", "urllib3", "waitress"}
)


class NoLicenceError(Exception):
    """A package says nowhere under which terms it may be given on."""


def shown_licences() -> str:
    """Return the text to show: what was collected for this build, else what is installed here."""
    if _COLLECTED.exists():
        return _COLLECTED.read_text(encoding="utf-8")
    installed = {re.sub(r"[-_.]+", "-", one.name).lower() for one in distributions()}
    return licences(_OURS & installed)


def licences(packages: Iterable[str]) -> str:
    """Return the licences of these installed packages and of what comes with Python.

    Raises NoLicenceError, and PackageNotFoundError for what is not installed.
    """
    parts = [(path.stem, path.read_text(encoding="utf-8")) for path in _FOLDER.glob("*.txt")]
    parts += [(name, _licence_of(distribution(name))) for name in packages]
    return "\n".join(_chapter(name, text) for name, text in sorted(parts))


def _chapter(name: str, text: str) -> str:
    return f"{_RULE}\n{name}\n{_RULE}\n\n{text.strip()}\n"


def _licence_of(package: Distribution) -> str:
    texts = list(_licence_texts(package))
    if not texts:
        raise NoLicenceError(package.name)
    home = package.metadata["Home-page"] or ""
    return "\n\n".join([f"Version {package.version} {home}".strip(), *texts])


def _licence_texts(package: Distribution) -> Iterator[str]:
    for file in sorted(package.files or (), key=str):
        if ".dist-info" in file.parts[0] and _LICENCE_FILE.search(file.name):
            yield file.read_text(encoding="utf-8").strip()
