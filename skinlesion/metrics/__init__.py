"""Scores, intervals and thresholds, on plain arrays: neither TensorFlow nor scikit-learn."""
