"""Synthetic lesions: dermoscopic-looking images to try the program on, without clinical meaning."""

from skinlesion.data.synthetic.drawing import Lesion, draw_lesion, draw_view
from skinlesion.data.synthetic.folder import write_synthetic
from skinlesion.data.synthetic.traits import Traits, draw_traits

__all__ = ["Lesion", "Traits", "draw_lesion", "draw_traits", "draw_view", "write_synthetic"]
