"""Which configs to try, and which to give up: the space of a search, and Optuna behind it."""
