"""The pictures of the program's states, drawn when needed, so that they are sharp at any size.

Each state has a shape and a sign of its own: who does not see colours can tell them apart.
"""

import io
from collections.abc import Callable
from types import MappingProxyType

from PIL import Image, ImageDraw

from ui.words.health import Health

COLOURS = MappingProxyType(
    {
        Health.NOT_SET_UP: "#6b7280",
        Health.WORKING: "#15803d",
        Health.ATTENTION: "#b45309",
        Health.BROKEN: "#b91c1c",
    }
)
_TRAY_FILLS = MappingProxyType(
    {
        Health.NOT_SET_UP: "#7b8494",
        Health.WORKING: "#16a34a",
        Health.ATTENTION: "#f59e0b",
        Health.BROKEN: "#dc2626",
    }
)
_WHITE = "#ffffff"
_DARK = "#231a05"
# Drawn so many times larger and then made smaller: Pillow's lines have no soft edges of their own.
_OVERSAMPLING = 8

Pen = ImageDraw.ImageDraw


def state_image(health: Health, size_px: int) -> Image.Image:
    """Return the picture of a state: ring, disc with tick, triangle with "!", square with "x"."""
    side = size_px * _OVERSAMPLING
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    _DRAWERS[health](ImageDraw.Draw(image), side / 16, _TRAY_FILLS[health])
    return image.resize((size_px, size_px), Image.Resampling.LANCZOS)


def png(image: Image.Image) -> bytes:
    """Return the picture as a PNG file, which tk reads without help."""
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def _scaled(scale: float, *points: tuple[float, float]) -> list[tuple[float, float]]:
    """Return points of a 16 by 16 grid on the canvas."""
    return [(x * scale, y * scale) for x, y in points]


def _ring(pen: Pen, scale: float, fill: str) -> None:
    pen.ellipse(_scaled(scale, (1, 1), (15, 15)), outline=fill, width=round(2.5 * scale))
    for x in (5.0, 8.0, 11.0):
        pen.ellipse(_scaled(scale, (x - 1, 7), (x + 1, 9)), fill=fill)


def _disc(pen: Pen, scale: float, fill: str) -> None:
    pen.ellipse(_scaled(scale, (0.5, 0.5), (15.5, 15.5)), fill=fill)
    tick = _scaled(scale, (4, 8.5), (7, 11.5), (12, 5))
    pen.line(tick, fill=_WHITE, width=round(2.2 * scale), joint="curve")


def _triangle(pen: Pen, scale: float, fill: str) -> None:
    pen.polygon(_scaled(scale, (8, 0.5), (15.8, 15), (0.2, 15)), fill=fill)
    pen.rectangle(_scaled(scale, (7.1, 5.2), (8.9, 10.2)), fill=_DARK)
    pen.rectangle(_scaled(scale, (7.1, 11.4), (8.9, 13.2)), fill=_DARK)


def _square(pen: Pen, scale: float, fill: str) -> None:
    pen.rounded_rectangle(_scaled(scale, (0.8, 0.8), (15.2, 15.2)), radius=3 * scale, fill=fill)
    for ends in (((4.5, 4.5), (11.5, 11.5)), ((11.5, 4.5), (4.5, 11.5))):
        pen.line(_scaled(scale, *ends), fill=_WHITE, width=round(2.2 * scale))


_DRAWERS: MappingProxyType[Health, Callable[[Pen, float, str], None]] = MappingProxyType(
    {
        Health.NOT_SET_UP: _ring,
        Health.WORKING: _disc,
        Health.ATTENTION: _triangle,
        Health.BROKEN: _square,
    }
)
