"""Classify dermoscopic skin-lesion images as benign or malignant."""

__version__ = "0.1.0"
