"""A load made by `wrk`, a program in C that costs a small part of what it measures.

It sends each of the given messages once, over keep-alive connections, as fast as they are answered.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

# The messages lie in one file, each after its length, and are read before the clock starts. One
# after the last is a request that only tells that there were too few.
_SCRIPT = """
local messages, position = {}, 0
function init(args)
  local file = assert(io.open("%s", "rb"))
  while true do
    local size = file:read(8)
    if not size then break end
    messages[#messages + 1] = file:read(tonumber(size))
  end
end
function request()
  position = position + 1
  return messages[position] or "GET /no-more-messages HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n"
end
"""
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_FAILED = re.compile(r"(Non-2xx or 3xx responses|Socket errors).*")


def is_there() -> bool:
    """Whether the program is installed."""
    return shutil.which("wrk") is not None


def rate(port: int, messages: Sequence[bytes], connections: int, seconds: int) -> float:
    """Return how many messages a second were answered; raises RuntimeError where one was not."""
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder, "messages")
        stored.write_bytes(b"".join(b"%8d%b" % (len(one), one) for one in messages))
        script = Path(folder, "send.lua")
        script.write_text(_SCRIPT % stored)
        options = ("-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script))
        done = subprocess.run(
            ["wrk", *options, f"http://127.0.0.1:{port}/"],
            capture_output=True,
            check=True,
            text=True,
        )
    failed, found = _FAILED.search(done.stdout), _RATE.search(done.stdout)
    if failed is not None or found is None:
        raise RuntimeError(f"wrk: {done.stdout if failed is None else failed[0]}")
    return float(found[1])
