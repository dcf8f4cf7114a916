"""The picture of a weekly mail: bars of the energy by day, drawn straight into a small PNG.

matplotlib takes a third of a second of a processor for it, which for a thousand mails is the whole time there is;
so bars, lines and letters are set here, in the same colours, with matplotlib's own font.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from vispa_green.energy.parts import EnergyParts
from vispa_green.reports.plots import COMPONENTS, FAINT, GRID_LINE, INK, energy_unit, missing_extra

if TYPE_CHECKING:
    from PIL.Image import Image as PaletteImage
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT = 1108, 460
"""In pixels: twice the width at which mails show it."""
LEFT, RIGHT, TOP, BOTTOM = 92, 16, 54, 50
BAR, SIZE, SQUARE = 0.62, 23, 20
SHADES = 12
"""Between a letter and the white behind it."""
COMPRESSION = 3
"""zlib's level: more would take twice the time for a third less."""


def week_png(days: Sequence[tuple[str, EnergyParts]], words: Mapping[str, str]) -> bytes:
    """Draw stacked bars of the energy by day and component; ``words`` has the components' names by attribute.

    Raises `MailError` where what draws is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise missing_extra() from error
    image = Image.new("RGB", (WIDTH, HEIGHT), "#ffffff")
    draw = ImageDraw.Draw(image)
    unit, per_unit = energy_unit(max((parts.total_uj for _, parts in days), default=0))
    largest = max((parts.total_uj for _, parts in days), default=0) / per_unit
    step, top = ticks(largest)
    floor, room = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    for number in range(round(top / step) + 1):
        height = floor - round(room * number * step / top)
        draw.line((LEFT, height, WIDTH - RIGHT, height), fill=GRID_LINE if number else FAINT, width=2)
        _write(draw, (LEFT - 12, height), f"{number * step:g}", INK, "rm")
    _write(draw, (LEFT - 12, TOP - 34), unit, FAINT, "rm")
    each = (WIDTH - LEFT - RIGHT) / max(1, len(days))
    for place, (name, parts) in enumerate(days):
        middle = LEFT + each * (place + 0.5)
        _stack(draw, middle, each * BAR, floor, room / (top * per_unit), parts)
        _write(draw, (middle, floor + 12), name, INK, "mt")
    present = [one for one in COMPONENTS if any(getattr(parts, one[0]) for _, parts in days)]
    _legend(draw, [(words[attribute], colour) for attribute, _, colour in present])
    packed = io.BytesIO()
    image.quantize(palette=_palette(), dither=Image.Dither.NONE).save(packed, "PNG", compress_level=COMPRESSION)
    return packed.getvalue()


def ticks(largest: float) -> tuple[float, float]:
    """Return the distance of the lines, 1, 2 or 5 of some power of ten, and where the last one is."""
    if largest <= 0:
        return 1.0, 1.0
    step = 10.0**-12
    for exponent in range(-12, 13):
        for factor in (1, 2, 5):
            step = factor * 10.0**exponent
            if largest <= 5 * step:
                return step, step * -int(-largest // step)
    return step, step * -int(-largest // step)


def _stack(draw: ImageDraw, middle: float, width: float, floor: int, scale: float, parts: EnergyParts) -> None:
    below_uj = 0
    for attribute, _, colour in COMPONENTS:
        own_uj = getattr(parts, attribute)
        lower, upper = floor - round(below_uj * scale), floor - round((below_uj + own_uj) * scale)
        if lower > upper:
            draw.rectangle((round(middle - width / 2), upper, round(middle + width / 2), lower - 1), fill=colour)
        below_uj += own_uj


def _legend(draw: ImageDraw, entries: Sequence[tuple[str, str]]) -> None:
    """Write names beside their colours, in one line that ends at the right."""
    right = float(WIDTH - RIGHT)
    for name, colour in reversed(entries):
        right -= _font().getlength(name)
        _write(draw, (right, TOP - 34), name, INK, "lm")
        right -= SQUARE + 8
        draw.rectangle((right, TOP - 34 - SQUARE // 2, right + SQUARE, TOP - 34 + SQUARE // 2), fill=colour)
        right -= 26


def _write(draw: ImageDraw, place: tuple[float, float], text: str, colour: str, anchor: str) -> None:
    draw.text(place, text, colour, _font(), anchor=anchor)


@cache
def _palette() -> PaletteImage:
    """Return all colours of the picture, which need not be looked for in each."""
    from PIL import Image, ImageColor

    plain = [ImageColor.getrgb(colour)[:3] for colour in (GRID_LINE, *(colour for _, _, colour in COMPONENTS))]
    colours = [
        *plain,
        *(
            tuple(255 - (255 - one) * shade // SHADES for one in ImageColor.getrgb(ink)[:3])
            for ink in (INK, FAINT)
            for shade in range(SHADES + 1)
        ),
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette([one for colour in colours for one in colour])
    return palette


@cache
def _font() -> FreeTypeFont:
    try:
        from matplotlib import get_data_path
        from PIL.ImageFont import truetype
    except ImportError as error:
        raise missing_extra() from error
    return truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", SIZE)
