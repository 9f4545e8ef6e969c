"""The built programs on a real Windows, where DINGBRIDGE_BUILT names the folder that holds them.

Elsewhere these tests are not collected: on Debian, tests/windows drives the programs under Wine.
"""

import os
import sys

_CAN_RUN = sys.platform == "win32" and "DINGBRIDGE_BUILT" in os.environ

collect_ignore_glob = [] if _CAN_RUN else ["test_*.py"]
