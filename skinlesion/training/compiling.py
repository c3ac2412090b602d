"""A model compiled to train the weights that are open now, at each stage of a run anew."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from skinlesion import models
from skinlesion.config import Recipe
from skinlesion.training.optimizers import make_optimizer


def compile_model(
    model: keras.Model,
    loss: keras.losses.Loss,
    recipe: Recipe,
    *,
    steps: int,
    depths: Mapping[str, int],
    rate: keras.optimizers.schedules.LearningRateSchedule | None = None,
) -> keras.Model:
    """Compile ``model`` with an optimiser of the weights that are trained as its flags are now.

    Args:
        model: With one logit.
        loss: Of (labels, logits), each (b, 1).
        recipe: Optimiser and schedule.
        steps: Batches an epoch.
        depths: Steps from the head by path of weight, for ``layer_decay``; missing: 0.
        rate: Instead of the recipe's schedule.

    Returns:
        What to call ``fit`` of, with the same optimiser and weights: see ``with_folded_norms``.
    """
    decay = recipe.optimizer.layer_decay
    with model.distribute_strategy.scope():
        optimizer = make_optimizer(
            recipe.optimizer,
            recipe.schedule,
            steps=steps,
            epochs=recipe.epochs,
            multiplier=(lambda one: decay ** depths.get(one.path, 0)) if decay < 1 else None,
        )
        if rate is not None:
            optimizer.learning_rate = rate
        # Keras wraps the optimizer of a float16 model into one that scales the loss.
        model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        stepped = models.with_folded_norms(model)
        if stepped is not model:
            stepped.compile(
                optimizer=model.optimizer, loss=loss, jit_compile=False, auto_scale_loss=False
            )
    return stepped


def carry_over(old: keras.optimizers.Optimizer, new: keras.optimizers.Optimizer) -> None:
    """Copy the step and the moments of the weights that were trained before."""
    values = {variable.name: variable for variable in old.variables}
    for variable in new.variables:
        if variable.name in values:
            variable.assign(values[variable.name])
