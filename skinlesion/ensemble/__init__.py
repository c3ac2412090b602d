"""Members' probabilities made one, on plain arrays: neither TensorFlow nor scikit-learn."""

from skinlesion.ensemble.combiners import COMBINERS, Combiner, weighty
from skinlesion.ensemble.criteria import CRITERIA
from skinlesion.ensemble.diversity import Diversity, diversity
from skinlesion.ensemble.optimism import Optimism, estimate_optimism
from skinlesion.ensemble.pools import VOTE_THRESHOLD

__all__ = [
    "COMBINERS",
    "CRITERIA",
    "VOTE_THRESHOLD",
    "Combiner",
    "Diversity",
    "Optimism",
    "diversity",
    "estimate_optimism",
    "weighty",
]
