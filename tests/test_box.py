"""The model that comes with the package: small, CC-0, and as good as it says."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skinlesion import api
from skinlesion.bundle import default_bundle, read_bundle
from skinlesion.data.sources import read_source
from skinlesion.metrics.scores import SCORES

MODEL_PAGE = Path(__file__).parents[1] / "docs" / "model.md"
SPLIT = "isic2017-test"
# What it says of three test images.
GOLDEN = {"ISIC_0012086": 0.3971, "ISIC_0012092": 0.4535, "ISIC_0012369": 0.5517}


def told():
    return read_bundle(default_bundle()).description


def test_it_is_small_and_says_what_it_is_made_from():
    description = told()

    assert default_bundle().stat().st_size <= 10e6
    assert description.training.licence == "CC0-1.0"
    assert description.training.sources == ("isic2017 (isic2017)",)
    assert [member.build.backbone for member in description.members] == ["efficientnet_lite0"]
    assert description.metrics[SPLIT].images == 600


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "brier"])
def test_the_page_prints_the_bundles_own_figures(name):
    found = told().metrics[SPLIT].scores[name]
    row = re.search(rf"^\| `{name}` \| (.*?) \|", MODEL_PAGE.read_text(encoding="utf-8"), re.M)

    assert row is not None
    assert row[1] == f"{found.value:.3f} ({found.low:.3f}-{found.high:.3f})"


@pytest.mark.tensorflow
@pytest.mark.real_data
def test_three_images_get_their_probabilities(real_data):
    folder = real_data / "isic2017" / "ISIC-2017_Test_v2_Data"

    answers = api.predict([folder / f"{name}.jpg" for name in GOLDEN])

    found = [answer.probability for answer in answers]
    assert found == pytest.approx(list(GOLDEN.values()), abs=2e-3)


@pytest.mark.tensorflow
def test_it_is_exported_where_no_model_is_named(tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (300, 300), "brown").save("brown.png")

    api.export(format="litert")

    (exported,) = api.predict(["brown.png"], model="default-litert")
    (plain,) = api.predict(["brown.png"])
    assert exported.probability == pytest.approx(plain.probability, abs=1e-4)
    assert (exported.decision, exported.refer) == (plain.decision, plain.refer)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.real_data
def test_its_scores_are_those_that_it_states(real_data):
    source = read_source(real_data / "isic2017")
    records = [record for record in source.records if record.split == SPLIT]
    y_true = np.array([record.diagnosis == "melanoma" for record in records]).astype(int)

    answers = api.predict([source.root / record.path for record in records])

    y_prob = np.array([answer.probability for answer in answers])
    for name in ("roc_auc", "average_precision", "brier"):
        stated = told().metrics[SPLIT].scores[name].value
        assert SCORES[name](y_true, y_prob, 0.5) == pytest.approx(stated, abs=1e-3), name
