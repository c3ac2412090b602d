"""Fit a model to a recipe, resumably, and predict with it."""
