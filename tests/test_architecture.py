"""The rules that hold the house together, read from the syntax trees of all modules."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from server.version import VERSION

PROJECT = Path(__file__).parents[1]
LONGEST_MODULE = 400
SHORTEST_MODULE = 60
LONGEST_FUNCTION = 60
# Shorter ones with one user, and why each is a module all the same.
SHORT_FOR_A_REASON = {
    "crypto.signature": "a rule of the platform's own, with vectors of its own",
    "server.demo.traffic": "pure, beside a demo that is threads and servers; proven by properties",
    "ui.console.connections": "a group of commands is a module; the command line loads only one",
    "ui.console.moving": "as above",
    "ui.console.subscription": "as above",
    "ui.pages.catalogue": "knows every page, and no page may know it",
    "ui.shell.collector": "Python's garbage and tk's threads: nothing else of the program's",
    "ui.shell.crashes": "takes what nobody else caught, so it leans on as little as it can",
    "ui.shell.fatal_error": "works where nothing else of ours can be imported",
    "ui.shell.shutdown": "an order of its own, beside a program that is long",
    "ui.shell.starting": "what comes before there is a program",
    "ui.shell.unpack_cleanup": "knows PyInstaller's folders; nothing else does",
    "ui.widgets.chart": "one widget a module",
    "ui.widgets.wrapping": "pure, beside widgets that are tk's",
    "ui.words.window_texts": "the words of the windows; the shell chooses them",
}

# Who may import whom. The longest name that fits a module is its room; a target stands for itself
# and all below it. A new room needs a line here, so that its place is decided on and not found.
# - ui knows server.api, and of the rooms behind it only what it takes and returns: settings, and
#   what became of a change to them.
# - server.simulator is the other side of the wire: it shares no code with the program, so that
#   they share no mistake either.
# - server.directory knows nothing but sentences: what it is asked and what it answers are plain
#   values, which the journal keeps and everybody above may hold.
# - server.dingtalk and server.wecom never meet; server.sync knows both.
# - server.callback takes of server.dingtalk only how its JSON is read.
_ARROWS = """
main                  : ui server.api server.demo server.config.paths server.errors server.version
ui                    : ui server.api server.errors server.version server.config.settings
ui                    : server.config.merge server.config.store server.config.files
ui                    : server.config.locks server.config.paths
server                :
server.api            : server.api server.service server.callback server.subscription server.sync
server.api            : server.directory server.journal server.dingtalk server.wecom server.rest
server.api            : server.config server.errors server.version crypto
server.service        : server.service server.callback server.subscription server.sync
server.service        : server.journal server.rest server.config server.errors server.version crypto
server.callback       : server.callback server.journal server.dingtalk.payload server.errors crypto
server.subscription   : server.subscription server.sync server.directory server.journal
server.subscription   : server.dingtalk server.rest server.config server.errors crypto
server.sync           : server.sync server.directory server.journal server.dingtalk server.wecom
server.sync           : server.rest server.config server.errors crypto.secret
server.directory      : server.directory server.errors.message
server.journal        : server.journal server.directory server.rest.vendor_clock
server.journal        : server.config.settings server.errors
server.dingtalk       : server.dingtalk server.rest server.errors crypto.secret
server.wecom          : server.wecom server.rest server.errors crypto.secret
server.rest           : server.rest server.config.rules server.errors crypto.secret
server.config         : server.config server.errors crypto
server.errors         : server.errors crypto
server.version        :
server.simulator      : server.simulator
server.demo           : server.demo server.simulator server.api server.service server.sync.clients
server.demo           : server.config.paths server.errors
crypto                : crypto
"""
# The rooms of ui: each may import from itself and from those before it.
UI_ROOMS = (
    "help",
    "words",
    "assets",
    "console",
    "state",
    "widgets",
    "feeds",
    "export",
    "guide",
    "pages",
    "shell",
)
# What only some rooms may use of what is not ours.
RESERVED = {
    "bottle": ("server.callback",),
    "waitress": ("server.callback",),
    # The others hand a connection on to the journal's functions; SQL they know not, see below.
    "sqlite3": ("server.journal", "server.api", "server.service", "server.sync"),
    "requests": ("server.rest", "server.api.selftest", "server.simulator"),
    "urllib3": ("server.rest",),
    "Crypto": ("crypto", "server.simulator"),
    "tkinter": ("main", "ui"),
    "pystray": ("ui",),
    "babel": (),
}
# `crypto` is pure: no files, network, clocks, randomness or logging, and nothing that brings them.
PURE = frozenset(
    {"base64", "binascii", "collections", "dataclasses", "enum", "hashlib", "hmac", "re"}
    | {"threading", "typing", "unicodedata", "Crypto", "crypto"}
)
# `server.directory` decides and does nothing else: no files, network, clocks or threads.
DECIDING = frozenset(
    {"bisect", "collections", "dataclasses", "enum", "hashlib", "json", "math", "re"}
    | {"typing", "server"}
)
_SQL_CALLS = frozenset({"execute", "executemany", "executescript"})
# Patterns, so that this file does not name what it forbids.
LOCAL_PLACES = re.compile(r"(?<![\w.~%}])/(?:work|root|opt|tmp|mnt|Users)/|\b[Cc]:\\+Users\\")
REGISTRIES = re.compile(r"\bpypi\.|pythonhoste[d]|index[-]url|trusted[-]host|find[-]links")
TEXT_FILES = {".py", ".md", ".toml", ".txt", ".po", ".json", ".yml", ".yaml", ".spec"}
TEXT_NAMES = {".gitignore", "run"}


def _rooms() -> dict[str, set[str]]:
    rooms: dict[str, set[str]] = {}
    for line in _ARROWS.strip().splitlines():
        room, _, targets = line.partition(":")
        rooms.setdefault(room.strip(), set()).update(targets.split())
    return rooms


def _module_name(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _program_files() -> list[Path]:
    rooms = ("crypto", "server", "ui")
    return [PROJECT / "main.py", *(p for r in rooms for p in sorted((PROJECT / r).rglob("*.py")))]


TREES = {_module_name(path): ast.parse(path.read_bytes()) for path in _program_files()}
LINES = {_module_name(p): len(p.read_text("utf-8").splitlines()) for p in _program_files()}
ROOMS = _rooms()
each_module = pytest.mark.parametrize("module", TREES)


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything imported, at any depth, for types only as well."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (_imported(node, alias.name) for alias in node.names)
        else:
            yield from _imports(node)


def _imported(node: ast.ImportFrom, name: str) -> str:
    assert node.level == 0, "imports are absolute"
    whole = f"{node.module}.{name}"
    return whole if whole in TREES else str(node.module)


def _is_within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in {"main", "ui", "server", "crypto", "tests"}


def _room_of(module: str) -> str:
    if module in {"server", "ui", "crypto"}:
        return module
    fitting = [room for room in ROOMS if room != "server" and _is_within(module, room)]
    assert fitting, f"{module} belongs to no room: say in ROOMS what it may import"
    return max(fitting, key=len)


@each_module
def test_imports_point_one_way(module: str) -> None:
    allowed = ROOMS[_room_of(module)]
    wrong = {
        target
        for target in filter(_is_ours, _imports(TREES[module]))
        if not any(_is_within(target, room) for room in allowed)
    }

    assert wrong == set()


@pytest.mark.parametrize(
    "module", [name for name in TREES if name.count(".") > 1 and _is_within(name, "ui")]
)
def test_the_rooms_of_ui_build_on_those_before_them(module: str) -> None:
    own = UI_ROOMS.index(module.split(".")[1])
    targets = {target for target in _imports(TREES[module]) if _is_within(target, "ui")}

    assert {one for one in targets if UI_ROOMS.index(one.split(".")[1]) > own} == set()


def test_nothing_lies_loose_in_ui_and_only_the_version_in_server() -> None:
    loose = {
        room: {path.name for path in (PROJECT / room).glob("*.py")} for room in ("ui", "server")
    }

    assert loose == {"ui": {"__init__.py"}, "server": {"__init__.py", "version.py"}}


@each_module
def test_libraries_stay_in_their_rooms(module: str) -> None:
    wrong = {
        target
        for target in _imports(TREES[module])
        for library, rooms in RESERVED.items()
        if _is_within(target, library) and not any(_is_within(module, room) for room in rooms)
    }

    assert wrong == set()


@pytest.mark.parametrize("module", [name for name in TREES if _is_within(name, "crypto")])
def test_crypto_is_pure(module: str) -> None:
    imported = {target.partition(".")[0] for target in _imports(TREES[module])}

    assert imported - PURE == set()


@pytest.mark.parametrize("module", [m for m in TREES if _is_within(m, "server.directory")])
def test_what_decides_is_pure(module: str) -> None:
    imported = {target.partition(".")[0] for target in _imports(TREES[module])}

    assert imported - DECIDING == set()


def test_every_rule_belongs_to_a_module() -> None:
    named = {*ROOMS, *(target for targets in ROOMS.values() for target in targets)}

    assert {name for name in named if not any(_is_within(m, name) for m in TREES)} == set()


def test_no_module_imports_itself_on_a_way_round() -> None:
    arrows = {
        module: {target for target in _imports(tree) if target in TREES and target != module}
        for module, tree in TREES.items()
    }
    while leaves := {module for module, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {module: targets for module, targets in arrows.items() if module not in leaves}

    # What is left imports itself, or somebody who does.
    assert arrows == {}


@each_module
def test_a_module_is_short(module: str) -> None:
    assert LINES[module] < LONGEST_MODULE


def _is_data(tree: ast.Module) -> bool:
    """Whether a module holds tables and plain records, and does nothing."""
    return not any(isinstance(node, ast.FunctionDef | ast.Lambda) for node in ast.walk(tree))


def test_a_short_module_has_two_users_or_a_reason() -> None:
    users = Counter(target for tree in TREES.values() for target in set(_imports(tree)))
    packages = {_module_name(path) for path in _program_files() if path.name == "__init__.py"}
    short = {
        module
        for module, tree in TREES.items()
        if LINES[module] < SHORTEST_MODULE and users[module] < 2 and not _is_data(tree)
    }

    assert short - packages - {"main"} == SHORT_FOR_A_REASON.keys()


def _functions(tree: ast.AST) -> Iterable[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


@each_module
def test_functions_are_short(module: str) -> None:
    lengths = {f.name: (f.end_lineno or 0) - f.lineno + 1 for f in _functions(TREES[module])}

    assert {name: lines for name, lines in lengths.items() if lines >= LONGEST_FUNCTION} == {}


def _undocumented(node: ast.AST, name: str) -> Iterator[str]:
    """Yield the public names in `node` without a docstring, itself included."""
    if (
        isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node) is None
    ):
        yield name
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            child_name = getattr(child, "name", "_")
            if not child_name.startswith("_"):
                yield from _undocumented(child, f"{name}.{child_name}")


@each_module
def test_everything_public_is_described(module: str) -> None:
    assert list(_undocumented(TREES[module], module)) == []


def _calls(tree: ast.AST) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@each_module
def test_only_the_command_line_prints(module: str) -> None:
    if module == "main" or _is_within(module, "ui.console"):
        return

    assert "print" not in _calls(TREES[module])


@each_module
def test_only_the_journal_speaks_sql(module: str) -> None:
    if _is_within(module, "server.journal"):
        return

    assert {call.rpartition(".")[2] for call in _calls(TREES[module])} & _SQL_CALLS == set()


@each_module
def test_nobody_sleeps(module: str) -> None:
    assert {"time.sleep", "sleep"} & _calls(TREES[module]) == set()
    assert not any(
        isinstance(node, ast.ImportFrom)
        and node.module == "time"
        and any(alias.name == "sleep" for alias in node.names)
        for node in ast.walk(TREES[module])
    )


def _silent_handlers(tree: ast.AST) -> Iterator[int]:
    """Yield the lines where any exception at all, or one without a trace, is swallowed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            does_nothing = all(
                isinstance(line, ast.Pass)
                or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
                for line in node.body
            )
            if node.type is None or does_nothing:
                yield node.lineno
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            suppressed = {ast.unparse(argument) for argument in node.args}
            if suppressed & {"Exception", "BaseException"}:
                yield node.lineno


@each_module
def test_no_error_is_swallowed(module: str) -> None:
    assert list(_silent_handlers(TREES[module])) == []


def test_the_version_stands_in_one_place() -> None:
    holders = [
        path.relative_to(PROJECT).as_posix()
        for path in (*_program_files(), *PROJECT.glob("*.toml"), *PROJECT.glob("*.spec"))
        if VERSION in path.read_text("utf-8")
    ]

    assert holders == ["server/version.py"]


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)

    assert released[0] == VERSION


def _texts() -> Iterator[Path]:
    """Yield every text file that belongs to the project, as far as a folder shows it."""
    inside = ("crypto", "server", "ui", "tests", ".ci", ".github")
    candidates = [
        *PROJECT.iterdir(),
        *(path for folder in inside for path in (PROJECT / folder).rglob("*")),
    ]
    for path in candidates:
        if path.is_file() and (path.suffix in TEXT_FILES or path.name in TEXT_NAMES):
            yield path


@pytest.mark.parametrize("forbidden", [LOCAL_PLACES, REGISTRIES], ids=["places", "registries"])
def test_nothing_names_where_it_was_made(forbidden: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(PROJECT).as_posix()}:{number}: {line.strip()[:80]}"
        for path in _texts()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if forbidden.search(line)
    ]

    assert found == []
