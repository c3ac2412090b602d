"""Scores, intervals, thresholds and tests, on plain arrays: no TensorFlow, no scikit-learn."""
