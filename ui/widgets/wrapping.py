"""Line breaks for Chinese text. Pure: widths come from a function.

tk breaks lines at blanks only, so a Chinese sentence with some Latin words in it is broken far
from the edge. Chinese may be broken between any two signs, but no line begins with a full stop.
"""

import re
from collections.abc import Callable

# A sign of Chinese with the marks that stay on its line, or a Latin word with its blank.
_PIECE = re.compile(
    r"[“（《【‘]*(?:[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60]|[^\s\u2e80-\u9fff\uf900-\uff60“（《【‘]+|\s)"
    r"[，。、：；？！”）》】’…,.:;?!)]*[ ]?|."  # the last: an opening mark with nothing behind it
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def is_chinese(text: str) -> bool:
    """Tell whether a text has Chinese in it."""
    return _CHINESE.search(text) is not None


def wrap(text: str, width: int, measure: Callable[[str], int]) -> str:
    """Return `text` with line breaks so that no line is wider than `width`, if it can be."""
    return "\n".join(_wrapped(line, width, measure) for line in text.split("\n"))


def _wrapped(line: str, width: int, measure: Callable[[str], int]) -> str:
    lines, current = [], ""
    for piece in _PIECE.findall(line):
        if current and measure((current + piece).rstrip()) > width:
            lines.append(current.rstrip())
            current = piece.lstrip()
        else:
            current += piece
    return "\n".join([*lines, current.rstrip()])
