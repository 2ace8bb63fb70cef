"""Colours as numbers: shades of one colour in even steps of lightness, and the same colours on a dark page.

Lightness is that of OKLab (Ottosson, 2020): 0 is black, 1 white, and equal steps look equal at any hue.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PALE, DEEP = 0.78, 0.40
"""Lightness of the first of several shades, and the least of the last one, unless its colour is darker itself."""
DEEPER = 0.1
"""How much darker than its own colour the last shade is for each further one."""
GREY = 0.02
"""Less colourful than this is grey."""
GREY_ON_DARK = (0.95, 0.5)
"""On a dark page greys are turned over: black becomes this light, white this dark."""
LIFT = (DEEP, 0.56, 0.8)
"""Colours keep their order there: one of the first lightness gets the second, and differences shrink by the third."""
SEQUENCE = ("viridis", 0.18, 0.76)
"""Numbers without a name go along this map from its dark end to where it gets too pale for a line on white."""

FROM_RGB = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
FROM_CONES = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip
"""Ottosson's matrices, from linear sRGB to responses of cones, and from their cubic roots to lightness and two hues."""

Triple = NDArray[np.float64]


def shades(colour: str, count: int) -> list[str]:
    """`count` shades of `colour` from pale to deep; the colour itself if it is one."""
    if count == 1:
        return [colour]
    own = lightness(colour)
    last = min(own, max(DEEP, own - DEEPER * (count - 1)))
    return [with_lightness(colour, float(level)) for level in np.linspace(PALE, last, count)]


def sequence(count: int) -> list[str]:
    """`count` colours that go from pale to dark, for numbers that stand for themselves, such as replay ratios."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    name, low, high = SEQUENCE
    return [to_hex(colormaps[name](place)).upper() for place in np.linspace(high, low, count)]


def on_dark(colour: str) -> str:
    """The same hue for a dark page, where black and deep lines would vanish."""
    level, green_red, blue_yellow = (float(part) for part in _oklab(_linear(colour)))
    if np.hypot(green_red, blue_yellow) < GREY:
        black, white = GREY_ON_DARK
        return with_lightness(colour, black + (white - black) * level)
    deep, lifted, slope = LIFT
    return with_lightness(colour, lifted + slope * (level - deep))


def lightness(colour: str) -> float:
    """Of OKLab, 0 to 1."""
    return float(_oklab(_linear(colour))[0])


def with_lightness(colour: str, level: float) -> str:
    """The hue of `colour` at that lightness, as colourful as a screen can show it, and no more than `colour` is."""
    _, *hue = _oklab(_linear(colour))
    for share in np.linspace(1.0, 0.0, 101):
        linear = _from_oklab(np.array([level, *(share * part for part in hue)]))
        if (linear > -1e-4).all() and (linear < 1 + 1e-4).all():
            break
    return _hex(linear)


def _linear(colour: str) -> Triple:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def _hex(linear: Triple) -> str:
    clipped = np.clip(linear, 0, 1)
    parts = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * float(part)):02X}" for part in parts)


def _oklab(linear: Triple) -> Any:
    return FROM_CONES @ np.cbrt(FROM_RGB @ linear)


def _from_oklab(colour: Triple) -> Triple:
    linear: Triple = np.linalg.solve(FROM_RGB, np.linalg.solve(FROM_CONES, colour) ** 3)
    return linear
