"""Draw a synthetic lesion: pigment in skin as layers of absorbance, then light and a camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from skinlesion.data.synthetic.artefacts import add_artefacts
from skinlesion.data.synthetic.traits import (
    HARMONICS,
    TEXTURE_SIDE,
    TEXTURE_SPAN,
    Traits,
    draw_traits,
)

# Absorbance of red, green and blue per unit: chosen by eye beside ISIC images.
MELANIN = np.array([0.52, 0.86, 1.18], dtype=np.float32)
DEEP_MELANIN = np.array([1.10, 0.92, 0.72], dtype=np.float32)
BLOOD = np.array([0.08, 0.56, 0.50], dtype=np.float32)
HAZE = np.array([0.62, 0.67, 0.76], dtype=np.float32)
SURFACE_REFLECTION = 0.045
# Waves of the lattice, in radians per half image side: about 5 pixels of 128 from line to line.
PATTERN_FREQUENCY = {"reticular": 105.0, "globular": 82.0}


@dataclass(frozen=True)
class Lesion:
    """A drawn image.

    Attributes:
        image: RGB, uint8, shape (size, size, 3).
        mask: Whether a pixel belongs to the lesion, bool, shape (size, size).
        artefacts: Whether ``hair``, ``ruler`` and ``dark_corner`` are in the image.
    """

    image: np.ndarray
    mask: np.ndarray
    artefacts: dict[str, bool]


@dataclass(frozen=True)
class _Surface:
    """The lesion's own coordinates at every pixel, each of shape (size, size).

    Attributes:
        u: Along the long axis, from the centre, in radii.
        v: Across it.
        angle: Around the centre, in radians.
        depth: 0 at the centre, 1 on the outline.
        textures: Noise fields fixed to the skin, mean 0 and deviation 1, smoothest first,
            shape (TEXTURES, size, size).
    """

    u: np.ndarray
    v: np.ndarray
    angle: np.ndarray
    depth: np.ndarray
    textures: np.ndarray


def draw_lesion(label: int, *, size: int, rng: np.random.Generator) -> Lesion:
    """Draw a new lesion of class ``label`` (0 benign, 1 malignant), ``size`` pixels a side.

    The image depends on ``label``, ``size`` and the state of ``rng`` only; for an image that
    can be made alone, pass ``np.random.default_rng((seed, index))``.
    """
    return draw_view(draw_traits(label, rng=rng), size=size, rng=rng)


def draw_view(traits: Traits, *, size: int, rng: np.random.Generator) -> Lesion:
    """Photograph the lesion ``traits``: pose, light, artefacts and noise come from ``rng``."""
    surface = _pose(traits, size, rng)
    fading = traits.softness * np.clip(1 + 0.7 * surface.textures[0], 0.2, 2.5)
    inside = _logistic((1 - surface.depth) / (0.3 * fading))
    reflectance = np.exp(-_absorbance(traits, surface, inside))
    reflectance = _add_veil(traits, surface, inside, reflectance)
    lit = (SURFACE_REFLECTION + (1 - SURFACE_REFLECTION) * reflectance) * _light(size, rng)
    photo, artefacts = add_artefacts(lit, rng=rng)
    return Lesion(_expose(photo, rng), surface.depth < 1, artefacts)


def _pose(traits: Traits, size: int, rng: np.random.Generator) -> _Surface:
    """Place the lesion: a little off centre, at any angle."""
    turn = np.exp(1j * rng.uniform(0, 2 * np.pi))
    centre = complex(*rng.normal(0, 0.08, 2))
    radius = traits.radius * rng.uniform(0.92, 1.08)
    axis = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    place = ((axis[None, :] + 1j * axis[:, None] - centre) * (turn / radius)).astype(np.complex64)
    u, v = place.real, place.imag
    stretch = np.float32(np.sqrt(traits.elongation))
    angle = np.arctan2(v * stretch, u / stretch)
    textures = _sample(traits.textures, u, v)
    depth = np.hypot(v * stretch, u / stretch) / _outline(traits, angle)
    ragged = (0.03 + 0.12 * traits.border) * textures[2]
    fringe = (0.015 + 0.06 * traits.border) * textures[4]
    depth = depth + np.minimum(depth, 1) * (ragged + fringe)
    return _Surface(u, v, angle, depth - _streaks(traits, angle, depth, textures), textures)


def _sample(textures: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear values of tileable textures, repeated every TEXTURE_SPAN radii."""
    step = TEXTURE_SIDE / TEXTURE_SPAN
    x, y = u * step, v * step
    left, top = np.floor(x), np.floor(y)
    right_share, low_share = x - left, y - top
    column, row = left.astype(np.intp) % TEXTURE_SIDE, top.astype(np.intp) % TEXTURE_SIDE
    next_column, next_row = (column + 1) % TEXTURE_SIDE, (row + 1) % TEXTURE_SIDE
    flat = textures.reshape(len(textures), -1)

    def blend(row: np.ndarray) -> np.ndarray:
        first = flat.take(row * TEXTURE_SIDE + column, axis=1)
        return first + right_share * (flat.take(row * TEXTURE_SIDE + next_column, axis=1) - first)

    upper = blend(row)
    return upper + low_share * (blend(next_row) - upper)


def _outline(traits: Traits, angle: np.ndarray) -> np.ndarray:
    """Distance of the outline at ``angle``, in mean radii."""
    around = np.linspace(-np.pi, np.pi, 361)
    waves = (traits.harmonics @ np.exp(1j * np.outer(HARMONICS, around))).real
    return np.interp(angle, around, np.maximum(1 + waves, 0.4)).astype(np.float32)


def _streaks(
    traits: Traits, angle: np.ndarray, depth: np.ndarray, textures: np.ndarray
) -> np.ndarray | float:
    """Radial fingers along a part of the border."""
    if not traits.streaks:
        return 0.0
    sector = np.maximum(np.cos(angle - traits.tilt[0]) + 0.4 * textures[1], 0)
    fingers = np.maximum(np.cos(22 * angle + 2.5 * textures[2]), 0)
    return 0.10 * traits.streaks * sector * fingers * np.clip(3 * depth - 2, 0, 1)


def _absorbance(traits: Traits, surface: _Surface, inside: np.ndarray) -> np.ndarray:
    """Absorbance of red, green and blue, shape (size, size, 3)."""
    smooth, broad, _, mottled, _, fine = surface.textures
    melanin, blood = traits.skin
    around = melanin * (1 + 0.16 * fine + 0.15 * smooth)
    flush = blood * (1 + 0.08 * fine + 0.14 * mottled + 0.12 * broad)
    lesion_blood = traits.redness * (1 + traits.variegation * mottled)
    flush = flush + inside * np.maximum(lesion_blood, 0)
    pigment = inside * _pigment(traits, surface) * (1 + _pattern(traits, surface))
    return (around + pigment)[..., None] * MELANIN + flush[..., None] * BLOOD


def _pigment(traits: Traits, surface: _Surface) -> np.ndarray:
    """Absorbance of melanin before the pattern: uneven, darkest near the middle."""
    _, broad, _, mottled, grainy, _ = surface.textures
    direction, strength = traits.tilt
    across = surface.u * np.cos(direction) + surface.v * np.sin(direction)
    clumps = (0.10 + 0.50 * traits.variegation) * (0.7 * broad + 0.6 * mottled)
    uneven = np.clip(clumps + strength * across, -1.6, 1.0) + 0.16 * grainy
    domed = 1.15 - 0.5 * np.clip(surface.depth, 0, 1) ** 2
    return traits.pigment * domed * np.exp(uneven)


def _pattern(traits: Traits, surface: _Surface) -> np.ndarray | float:
    """Relative surplus of pigment in network lines or globules, about mean 0."""
    if traits.pattern == "homogeneous":
        return 0.0
    frequency = PATTERN_FREQUENCY[traits.pattern] * traits.radius
    warp = 2.4 + 2.6 * traits.irregularity
    lattice = np.zeros_like(surface.u)
    for third, texture in enumerate(surface.textures[1:4]):
        direction = third * np.pi / 3
        across = surface.u * np.cos(direction) + surface.v * np.sin(direction)
        lattice += np.cos(frequency * across + warp * texture)
    bumps = _logistic(2.2 * (lattice - 0.3))
    patches = np.clip(0.9 + 0.6 * surface.textures[3], 0, 1.8) * traits.structure
    if traits.pattern == "reticular":
        return 0.75 * patches * (0.4 - bumps)
    return 0.9 * patches * (bumps - 0.35)


def _add_veil(
    traits: Traits, surface: _Surface, inside: np.ndarray, reflectance: np.ndarray
) -> np.ndarray:
    """Deep pigment under a whitish haze, over a part of the lesion."""
    if not traits.veil:
        return reflectance
    smooth, _, wavy, _, grainy, _ = surface.textures
    patch = _logistic(3 * (0.8 * smooth + 0.5 * wavy - 0.2 - 0.8 * surface.depth**2))
    weight = (0.9 * traits.veil * inside * patch)[..., None]
    deep = np.exp(-(1.5 * traits.pigment * (1 + 0.25 * grainy))[..., None] * DEEP_MELANIN)
    return reflectance * (1 - weight) + (0.75 * deep + 0.25 * HAZE) * weight


def _light(size: int, rng: np.random.Generator) -> np.ndarray:
    """Brightness and tint of the light, falling off to one side, shape (size, size, 3)."""
    axis = np.linspace(-1, 1, size)
    slope = rng.normal(0, 0.06, 2)
    bowl = rng.uniform(0.0, 0.16)
    field = 1 + slope[0] * axis[:, None] + slope[1] * axis[None, :]
    field = field - bowl * (axis[:, None] ** 2 + axis[None, :] ** 2)
    tint = np.array([1.02, 1.0, 0.98]) * np.exp(rng.normal(0, [0.02, 0.02, 0.05]))
    return field[..., None] * tint * rng.uniform(0.86, 1.08)


def _expose(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slight blur and sensor noise, then 8 bits."""
    size = len(photo)
    blur = rng.uniform(0.3, 0.8) * size / 128
    soft = ndimage.gaussian_filter(photo, (blur, blur, 0), truncate=2)
    grain = rng.standard_normal(photo.shape, dtype=np.float32) * rng.uniform(0.004, 0.014)
    return np.round(np.clip(soft + grain, 0, 1) * 255).astype(np.uint8)


def _logistic(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))
