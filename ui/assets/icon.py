"""Draws the program's icon: a white bridge on blue, held by two golden nails (钉桥).

    python -m ui.assets.icon FILE.ico

Drawn anew for each size, so that 16 pixels are as sharp as 256.
"""

import sys
from io import BytesIO
from pathlib import Path
from struct import pack

from PIL import Image, ImageDraw

SIZES_PX = (16, 20, 24, 32, 40, 48, 64, 128, 256)
Colour = tuple[int, int, int, int]

_BLUE = (0x1F, 0x6F, 0xEB, 0xFF)
_WHITE = (0xFF, 0xFF, 0xFF, 0xFF)
_GOLD = (0xFF, 0xC5, 0x3D, 0xFF)
_CLEAR = (0, 0, 0, 0)
# Drawn so many times larger and then reduced, which gives smooth edges.
_OVERSAMPLING = 8
# Below this, hangers would run into each other.
_HANGERS_FROM_PX = 32


def draw(size_px: int, colour: Colour = _BLUE) -> Image.Image:
    """Return the icon as a square RGBA image; `colour` is the ground, for the tray's states."""
    side = size_px * _OVERSAMPLING
    image = Image.new("RGBA", (side, side), _CLEAR)
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, side - 1, side - 1), radius=side * 0.22, fill=colour)
    _draw_bridge(pen, side, colour, has_hangers=size_px >= _HANGERS_FROM_PX)
    _draw_nails(pen, side)
    return image.resize((size_px, size_px), Image.Resampling.LANCZOS)


def _draw_bridge(pen: ImageDraw.ImageDraw, side: int, ground: Colour, *, has_hangers: bool) -> None:
    thick = round(side * 0.09)
    deck = side * 0.55
    pen.arc((side * 0.17, side * 0.2, side * 0.83, side * 1.36), 180, 360, fill=_WHITE, width=thick)
    for place in (0.36, 0.50, 0.64) if has_hangers else ():
        left = side * place - thick * 0.3
        pen.rectangle((left, side * 0.32, left + thick * 0.6, deck), fill=_WHITE)
    # The arch ends at the water.
    pen.rectangle((side * 0.1, side * 0.8, side * 0.9, side * 0.9), fill=ground)
    pen.rectangle((side * 0.1, deck, side * 0.9, deck + thick), fill=_WHITE)


def _draw_nails(pen: ImageDraw.ImageDraw, side: int) -> None:
    """Pin the deck down at both ends."""
    size, top = side * 0.19, side * 0.5
    for middle in (0.17, 0.83):
        left = side * middle - size / 2
        pen.ellipse((left, top, left + size, top + size), fill=_GOLD)


def icon_file() -> bytes:
    """Return the content of an .ico file with every size."""
    frames = [(size_px, _frame(size_px)) for size_px in SIZES_PX]
    offset = 6 + 16 * len(frames)
    directory, contents = pack("<HHH", 0, 1, len(frames)), b""
    for size_px, frame in frames:
        shown = size_px % 256  # the format writes 256 as 0
        place = offset + len(contents)
        directory += pack("<BBBBHHII", shown, shown, 0, 0, 1, 32, len(frame), place)
        contents += frame
    return directory + contents


def _frame(size_px: int) -> bytes:
    # Parts of Windows, and Tk, read small icons as bitmaps only; the largest is PNG by custom.
    kind = "png" if size_px == SIZES_PX[-1] else "bmp"
    stream = BytesIO()
    size = (size_px, size_px)
    draw(size_px).save(stream, "ICO", sizes=[size], bitmap_format=kind)
    return stream.getvalue()[6 + 16 :]


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(icon_file())
