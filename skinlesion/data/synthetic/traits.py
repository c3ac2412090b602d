"""What a synthetic lesion is like: traits that lean on its label, but overlap between labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Latent severity is N(0, 1) for benign and N(SEPARATION, 1) for malignant: the best possible
# ROC AUC is Phi(SEPARATION / sqrt(2)) = 0.94.
SEPARATION = 2.2
TRAIT_NOISE = 0.6
TEXTURES, TEXTURE_SIDE = 6, 96
TEXTURE_SPAN = 5.0  # radii after which textures repeat
PATTERNS = ("reticular", "globular", "homogeneous")
HARMONICS = np.arange(2, 7)


@dataclass(frozen=True)
class Traits:
    """One lesion on one patch of skin; every view of it shares these.

    Attributes:
        radius: Mean radius, in half image sides.
        elongation: Long axis over short axis, from 1.
        harmonics: Complex amplitudes of the outline's waves 2 to 6, shape (5,).
        border: Raggedness of the outline, in [0, 1].
        softness: Width of the fading edge, in radii.
        pattern: Which of ``PATTERNS`` the pigment forms.
        structure: Strength of that pattern, in [0, 1].
        irregularity: How far the pattern departs from a lattice, in [0, 1].
        variegation: Spread of pigment over the lesion, in [0, 1].
        tilt: Direction (radians) and strength of the pigment's gradient across the lesion.
        pigment: Mean absorbance of melanin in the lesion.
        redness: Absorbance of blood in the lesion.
        veil: Strength of the blue-white veil, in [0, 1]; 0 in most benign lesions.
        streaks: Strength of radial streaks at the border, in [0, 1].
        skin: Absorbance of melanin and of blood in the skin around it, shape (2,).
        textures: Tileable noise fields of mean 0 and deviation 1, smoothest first,
            shape (TEXTURES, TEXTURE_SIDE, TEXTURE_SIDE).
    """

    radius: float
    elongation: float
    harmonics: np.ndarray
    border: float
    softness: float
    pattern: str
    structure: float
    irregularity: float
    variegation: float
    tilt: tuple[float, float]
    pigment: float
    redness: float
    veil: float
    streaks: float
    skin: np.ndarray
    textures: np.ndarray


def draw_traits(label: int, *, rng: np.random.Generator) -> Traits:
    """Draw a lesion of class ``label`` (0 benign, 1 malignant)."""
    severity = rng.normal(SEPARATION * label)

    def graded(middle: float) -> float:
        """A trait in (0, 1) that rises with severity and is 1/2 at severity ``middle``."""
        return _logistic(1.4 * (severity + rng.normal(0, TRAIT_NOISE) - middle))

    asymmetry = graded(1.6)
    phases = np.exp(1j * rng.uniform(0, 2 * np.pi, len(HARMONICS)))
    sizes = np.abs(rng.normal(0, 1, len(HARMONICS))) * (0.02 + 0.15 * asymmetry)
    return Traits(
        radius=float(np.clip(rng.normal(0.44 + 0.08 * graded(1.5), 0.10), 0.24, 0.72)),
        elongation=1 + rng.gamma(2.0, 0.09),
        harmonics=sizes / np.sqrt(HARMONICS) * phases,
        border=graded(1.4),
        softness=rng.uniform(0.05, 0.30),
        pattern=str(rng.choice(PATTERNS)),
        structure=rng.beta(2, 2),
        irregularity=graded(1.2),
        variegation=graded(1.4),
        tilt=(rng.uniform(0, 2 * np.pi), asymmetry * rng.uniform(0.1, 0.6)),
        pigment=rng.lognormal(np.log(0.8), 0.38) * (0.9 + 0.4 * graded(1.5)),
        redness=rng.gamma(2.0, 0.07),
        veil=rng.uniform(0.4, 1.0) * (graded(2.4) > rng.uniform(0.25, 1.0)),
        streaks=rng.uniform(0.3, 1.0) * (graded(2.0) > rng.uniform(0.2, 1.0)),
        skin=np.array([rng.uniform(0.04, 0.30), rng.uniform(0.06, 0.50)]),
        textures=_textures(rng),
    )


def _logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def _textures(rng: np.random.Generator) -> np.ndarray:
    """Fractal noise: white noise whose spectrum falls with frequency, steeper in the first."""
    waves = np.fft.fftfreq(TEXTURE_SIDE) * TEXTURE_SIDE
    frequency = np.hypot(waves[:, None], waves[None, : TEXTURE_SIDE // 2 + 1])
    frequency[0, 0] = np.inf
    slopes = np.linspace(2.2, 0.9, TEXTURES)[:, None, None]
    white = np.fft.rfft2(
        rng.standard_normal((TEXTURES, TEXTURE_SIDE, TEXTURE_SIDE), dtype=np.float32)
    )
    fields = np.fft.irfft2(white * frequency**-slopes, s=(TEXTURE_SIDE, TEXTURE_SIDE))
    return (fields / fields.std(axis=(1, 2), keepdims=True)).astype(np.float32)
