"""A picture that is light on a light page and dark on a dark one: a style sheet inside it turns its colours."""

from __future__ import annotations

import re

from redo_lab.analysis.palette import on_dark

PAGE = {"ffffff": "#1f2227", "dddddd": "#383c43", "cccccc": "#43474e"}
"""Paper and the lines on it; every other colour is turned as the palette says."""
PAINT = re.compile(r"(fill|stroke): #([0-9a-f]{6})")


def with_dark(svg: bytes) -> bytes:
    """`svg` as matplotlib writes it, which follows the colour scheme of the page that it is in."""
    text = svg.decode()
    pairs = sorted(set(PAINT.findall(text)))
    rules = "".join(f'[style*="{kind}: #{colour}"]{{{kind}:{_turned(colour)}!important}}' for kind, colour in pairs)
    # matplotlib writes nothing where it fills with black.
    rules += f"svg{{fill:{_turned('000000')}}}"
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda match: match[1] + style, text, count=1).encode()


def _turned(colour: str) -> str:
    return PAGE.get(colour) or on_dark(f"#{colour}")
