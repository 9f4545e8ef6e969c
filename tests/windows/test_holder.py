"""Who holds a port, asked of Windows itself; Wine knows the sockets, but not whose they are."""

from pathlib import Path

from tests.tools.windows.build import ROOT
from tests.tools.windows.wine import Wine, outcome, windows_path

ASKING = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
from server.callback import port_holder as holder

for layout, family, host in (
    (holder._LAYOUTS[0], socket.AF_INET, "127.0.0.1"), (holder._LAYOUTS[1], socket.AF_INET6, "::1")
):
    with socket.create_server((host, 0), family=family) as held:
        port = held.getsockname()[1]
        print(holder._owner_in(holder._listeners(layout.family), layout, port))
    print(holder._owner_in(holder._listeners(layout.family), layout, port))
print(holder._name_of(os.getpid()))
"""


def test_windows_tables_of_listeners_and_programs_are_read(wine: Wine, python: Path) -> None:
    out, err = outcome(wine.start(python, "-c", ASKING, windows_path(ROOT)), b"", 60)
    assert out.decode().split() == ["0", "None", "0", "None", "python.exe"], err
