"""The whole chain from Python, on drawn lesions: scores on them say nothing about skin.

Run it, or open it as a notebook: each ``# %%`` begins a cell. docs/api.md shows what it prints.
"""

# %% A place of its own: all paths below are relative to it.
import os
import tempfile
from pathlib import Path

from skinlesion import api
from skinlesion.config import Focal, ModelConfig, TrainConfig
from skinlesion.data.synthetic import write_synthetic

os.chdir(tempfile.mkdtemp(prefix="skinlesion-library-"))
write_synthetic(Path("drawn"), count=120, size=64)

# %% Images become a data set, and are they fit for a reviewer?
data = api.preprocess("drawn/labels.csv", image_size=64)
print(data.path, data.counts["test"])
print(api.audit(data.path, sample=20).report.verdict)

# %% A head on cached ImageNet features: a preset, and what is to differ from it.
head = api.train("smoke/efficientnet_lite0.yaml", model={"image_size": 64}, epochs=10)
print(head.path, head.splits)
print(f"best epoch {head.best['epoch']}, val AUC {head.best['val_auc']:.3f}")
print([round(auc, 3) for auc in head.history["val_auc"][:4]])

# %% A config is an object, too: editors complete it, mypy checks it. The features are there now.
recipe = TrainConfig(
    model=ModelConfig(backbone="efficientnet_lite0", image_size=64),
    loss=Focal(name="focal", gamma=2.0),
    epochs=10,
)
focal = api.train(recipe, run="runs/focal")

# %% From runs to runs: fine-tuned, averaged over views, averaged weights, averaged answers.
tuned = api.finetune(head, trainable="1 blocks", epochs=1)
viewed = api.tta(tuned, views=2)
mixed = api.soup([head, focal])
both = api.ensemble([tuned, focal], method="logit_mean")
for run in (tuned, viewed, mixed, both):
    print(f"{run.kind:<9}{run.path}")

# %% Scores with intervals; thresholds are fitted on val, never on test.
found = api.evaluate([tuned, focal, both], split="test", resamples=200)
for row in found.rows:
    auc = row.scores["roc_auc"]
    print(f"{auc.value:.3f} ({auc.low:.3f}-{auc.high:.3f}) {row.name}")

# %% Is one better than another?
pair = api.compare([tuned, focal], split="test", resamples=200).report.found.pairs[0]
print(f"difference {pair.difference.value:.3f}, p {pair.p:.2f}")

# %% Predictions are arrays.
table = both.predictions("test")
print(len(table), table.y_prob.dtype, table.y_prob.shape)

# %% One file that predicts anywhere.
made = api.bundle(tuned, "tuned.skinlesion", licence="CC0-1.0")
model = api.load_model(made.path)
for answer in api.predict(["drawn/images/*_0000[01].jpg", "no.jpg"], model=model):
    print(answer.path, answer.probability is not None, answer.error)

# %% Where it looks.
seen = api.explain("drawn/images/synthetic_00000.jpg", run=tuned)
print(seen.sheet, seen.maps.shape)

# %% Errors say what happened, what was expected, how to mend it.
try:
    api.train("resnet50.yaml", epocs=3)
except api.SkinlesionError as error:
    print(error)
