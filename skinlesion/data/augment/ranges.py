"""How far each change of an image may go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ranges:
    """How far each change may go; 0 turns it off. See ``config.Augment`` for units."""

    flip: bool = False
    rotate_degrees: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    perspective: float = 0.0
    hair: float = 0.0
    ruler: float = 0.0
    cutout: float = 0.0
    cutout_size: float = 0.25
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def warps(self) -> bool:
        """Whether images are resampled."""
        return any((self.rotate_degrees, self.zoom, self.shift, self.shear, self.perspective))

    @property
    def colours(self) -> bool:
        """Whether pixel values change."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))

    @property
    def mixes(self) -> bool:
        """Whether two images of a batch become one."""
        return bool(self.mixup or self.cutmix)
