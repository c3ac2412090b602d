"""A map laid over its image: colour where there is evidence, a bar that says how much."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from skinlesion.report.drawing import BLUE, ORANGE

OPAQUE = 0.85  # of the colour, where the map is largest
SIDE, MARGIN, BAR, LINE = 448, 12, 16, 24  # pixels
PAPER, INK = (255, 255, 255), (20, 20, 20)
# A few pixels far from all others would leave the rest without colour.
BRIGHTEST = 99.5  # percentile


def lay_over(pixels: np.ndarray, values: np.ndarray, *, scale: float) -> np.ndarray:
    """The image in grey, orange where the map is above 0, blue where it is below.

    Args:
        pixels: RGB, uint8, shape (s, s, 3).
        values: Shape (s, s).
        scale: From this size on, colour is as strong as it gets; 0: there is no colour.

    Returns:
        RGB, uint8, shape (s, s, 3).
    """
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)[..., None]
    return _coloured(grey, values, scale)


def layer(values: np.ndarray, *, scale: float) -> np.ndarray:
    """The colour of ``lay_over`` alone, to be laid over the image by who shows it.

    Args:
        values: Shape (s, s).
        scale: As in ``lay_over``.

    Returns:
        RGBA, uint8, shape (s, s, 4), opaque where the colour is as strong as it gets.
    """
    strength, colour = _strength(values, scale), _colour(values)
    return np.round(np.concatenate([colour, 255 * strength[..., None]], axis=-1)).astype(np.uint8)


def scale_of(values: np.ndarray) -> float:
    """The size that gets the strongest colour: nearly the largest; 0 for a map of zeros."""
    return float(np.percentile(np.abs(values), BRIGHTEST)) or float(np.abs(values).max())


def overlay_picture(
    pixels: np.ndarray,
    values: np.ndarray,
    *,
    scale: float,
    one_sided: bool,
    lines: tuple[str, ...],
) -> Image.Image:
    """The overlay, the bar beside it, and ``lines`` of text above.

    Args:
        pixels: RGB, uint8, shape (s, s, 3).
        values: Shape (s, s).
        scale: As in ``lay_over``.
        one_sided: Whether the map is never below 0, so that the bar begins there.
        lines: Image, probability and method.
    """
    top = MARGIN + len(lines) * LINE
    picture = Image.new("RGB", (SIDE + 3 * MARGIN + BAR + 84, top + SIDE + MARGIN), PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    for number, line in enumerate(lines):
        draw.text((MARGIN, MARGIN // 2 + number * LINE), line, fill=INK, font=font)
    laid = Image.fromarray(lay_over(pixels, values, scale=scale))
    picture.paste(laid.resize((SIDE, SIDE), Image.Resampling.BICUBIC), (MARGIN, top))
    left = SIDE + 2 * MARGIN
    picture.paste(Image.fromarray(_bar(one_sided=one_sided)), (left, top))
    ends = {0.0: scale, 1.0: 0.0} if one_sided else {0.0: scale, 0.5: 0.0, 1.0: -scale}
    for place, value in ends.items():
        where = (left + BAR + 6, top + 8 + place * (SIDE - 16))
        draw.text(where, f"{value:+.2g}" if value else "0", fill=INK, font=font, anchor="lm")
    return picture


def _bar(*, one_sided: bool) -> np.ndarray:
    """Colours from the largest value at the top to the smallest, over middle grey."""
    values = np.linspace(1, 0 if one_sided else -1, SIDE)[:, None].repeat(BAR, axis=1)
    return _coloured(np.full((SIDE, BAR, 1), 160, np.float32), values, 1.0)


def _coloured(grey: np.ndarray, values: np.ndarray, scale: float) -> np.ndarray:
    share = OPAQUE * _strength(values, scale)[..., None]
    return np.round((1 - share) * grey + share * _colour(values)).clip(0, 255).astype(np.uint8)


def _strength(values: np.ndarray, scale: float) -> np.ndarray:
    return np.clip(np.abs(values) / scale, 0, 1) if scale else np.zeros(values.shape)


def _colour(values: np.ndarray) -> np.ndarray:
    above, below = (np.array(ImageColor.getrgb(colour)) for colour in (ORANGE, BLUE))
    return np.where(values[..., None] > 0, above, below)
