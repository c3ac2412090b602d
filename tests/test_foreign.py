"""Foreign weights: copied by name and shape from each of Keras's formats, hostile files refused."""

import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from training_fixtures import BACKBONE, tiny_network

from skinlesion.commands import weights
from skinlesion.errors import ConfigError, DataError
from skinlesion.models import build_model
from skinlesion.models.foreign import copy_foreign, read_foreign

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("tiny_backbone")]


@pytest.fixture
def model():
    return build_model(BACKBONE, image_size=32, seed=1)


def classifier(*, width=1, seed=5):
    """What another program made of the same network: a top of five classes on it."""
    keras.utils.set_random_seed(seed)
    network = tiny_network(32, width=width)
    x = keras.layers.GlobalAveragePooling2D()(network.output)
    return keras.Model(network.input, keras.layers.Dense(5, name="predictions")(x))


def save(theirs, folder, kind):
    if kind == "h5":
        path = folder / "theirs.h5"
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, theirs)
    else:
        path = folder / f"theirs.{kind}"
        (theirs.save_weights if kind == "weights.h5" else theirs.save)(path)
    return path


@pytest.mark.parametrize("kind", ["h5", "weights.h5", "keras"])
def test_what_has_name_and_shape_is_copied(model, tmp_path, kind):
    theirs, logit = classifier(), model.get_layer("logit").get_weights()

    match = copy_foreign(model, read_foreign(save(theirs, tmp_path, kind), model))

    assert match.fraction == 1.0
    assert (match.misshapen, match.missing) == ([], [])
    assert {name.split("/")[0] for name in match.unknown} == {"predictions"}
    for layer in [one for one in model.get_layer("backbone").layers if one.weights]:
        for one, other in zip(layer.weights, theirs.get_layer(layer.name).weights, strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(model.get_layer("logit").get_weights()[0], logit[0])


def test_what_has_another_shape_stays_and_is_named(model, tmp_path):
    before = model.get_weights()

    match = copy_foreign(model, read_foreign(save(classifier(width=2), tmp_path, "h5"), model))

    assert (match.copied, match.fraction) == ([], 0.0)
    assert any("stem_conv/kernel (3, 3, 3, 8), not (3, 3, 3, 4)" in one for one in match.misshapen)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_file_that_is_written_starts_a_training(tmp_path):
    theirs, out = classifier(), tmp_path / "made" / "ours.weights.h5"

    report = weights.import_(save(theirs, tmp_path, "keras"), BACKBONE, out, min_match=0.9)

    assert report["fraction"] == 1.0
    again = build_model(BACKBONE, image_size=32, weights=str(out))
    np.testing.assert_array_equal(
        again.get_layer("backbone").get_layer("stem_conv").kernel,
        theirs.get_layer("stem_conv").kernel,
    )


def test_too_little_is_refused_and_nothing_written(tmp_path):
    out = tmp_path / "ours.weights.h5"

    with pytest.raises(DataError, match=r"0\.0% of the parameters") as caught:
        weights.import_(save(classifier(width=2), tmp_path, "h5"), BACKBONE, out, min_match=0.9)

    assert "stem_conv" in str(caught.value)
    assert not out.exists()


@pytest.mark.parametrize(
    ("out", "backbone", "what"),
    [("ours.h5", BACKBONE, "--out"), ("ours.weights.h5", "resnet51", "no backbone")],
)
def test_wrong_arguments_are_refused(tmp_path, out, backbone, what):
    with pytest.raises(ConfigError, match=what):
        weights.import_(tmp_path / "x.h5", backbone, tmp_path / out, min_match=0.9)


def link(file):
    file["stem_conv"] = h5py.ExternalLink("/etc/passwd", "/")


def soft_link(file):
    file["here"] = np.zeros(3)
    file["stem_conv"] = h5py.SoftLink("/here")


def outside(file):
    file.create_dataset("w", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def strings(file):
    _legacy(file, np.array([b"text"], dtype="S4"))


def not_finite(file):
    _legacy(file, np.array([1.0, np.nan]))


def huge(file):
    file.create_dataset("w", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")


def missing_group(file):
    file.attrs["layer_names"] = [b"absent"]


def _legacy(file, values):
    file.attrs["layer_names"] = [b"stem_conv"]
    group = file.create_group("stem_conv")
    group.attrs["weight_names"] = [b"stem_conv/kernel:0"]
    group["stem_conv/kernel:0"] = values


@pytest.mark.parametrize(
    "hostile", [link, soft_link, outside, strings, not_finite, huge, missing_group]
)
def test_a_hostile_file_is_refused(model, tmp_path, hostile):
    path = tmp_path / "theirs.h5"
    with h5py.File(path, "w") as file:
        hostile(file)

    with pytest.raises(DataError, match=r"theirs\.h5 was not read"):
        read_foreign(path, model)


def test_an_archive_without_weights_or_half_a_file_is_refused(model, tmp_path):
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("../../escape.py", "print('run')")
    whole = save(classifier(), tmp_path, "keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("no weights")

    for name in ("empty.keras", "half.keras", "text.h5"):
        with pytest.raises(DataError, match="was not read"):
            read_foreign(tmp_path / name, model)
    assert not (tmp_path.parent / "escape.py").exists()
    with pytest.raises(DataError, match="does not exist"):
        read_foreign(tmp_path / "absent.h5", model)


def test_the_code_of_an_archive_is_not_run(model, tmp_path):
    image = keras.Input((32, 32, 3))
    network = keras.Model(image, keras.layers.Lambda(lambda x: x / 0)(image))
    network.save(tmp_path / "lambda.keras")

    match = copy_foreign(model, read_foreign(tmp_path / "lambda.keras", model))

    assert match.copied == []
