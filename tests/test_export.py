"""export: graphs that answer as the run does, without TensorFlow, and nothing that was changed."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from export_fixtures import TOLERANCE, spread
from PIL import Image
from training_fixtures import (
    QuickReporter,
    run_train,
    train_config,
    write_lesions,
)

from skinlesion import api, models
from skinlesion.bundle.container import _checksum
from skinlesion.commands import bundle as bundling
from skinlesion.commands import ensemble, export, tta
from skinlesion.config import EnsembleConfig, ModelConfig, TtaConfig
from skinlesion.data.sampling import Images
from skinlesion.data.store import open_dataset
from skinlesion.errors import (
    ConfigError,
    DataError,
    IntegrityError,
    QualityGateError,
    SkinlesionError,
)
from skinlesion.export import exporting
from skinlesion.export.checking import compare_auc
from skinlesion.export.onnx import onnx_bytes
from skinlesion.export.saved_model import open_saved_model
from skinlesion.inference.onnx_file import refuse_foreign
from skinlesion.inference.runtimes import network_of, open_litert, open_onnx

onnx = pytest.importorskip("onnx", reason="the extra export is not installed")
helper = onnx.helper

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def made(tiny_backbone, tmp_path_factory):
    """A data set, its test images as files, two runs, tta of one, and an ensemble."""
    root = tmp_path_factory.mktemp("made")
    write_lesions(root / "dataset", size=40)
    dataset = open_dataset(root / "dataset")
    (root / "photos").mkdir()
    for row in dataset.manifest.rows("test"):
        picture = Image.fromarray(dataset.pixels.read(np.array([row]))[0])
        picture.save(root / "photos" / f"{row}.png")
    runs = [
        run_train(train_config(root / "dataset", epochs=1, seed=seed), root / f"run{seed}")
        for seed in range(2)
    ]
    views = TtaConfig(run=runs[0].path, views=2, scales=(1.0, 1.25), average="probability")
    tta.run(views, root / "tta", reporter=QuickReporter())
    together = EnsembleConfig(members=(root / "run1", root / "tta"), method="mean")
    ensemble.run(together, root / "ensemble", reporter=QuickReporter())
    return root


def exported(made, out, *, source="run0", format="onnx", **options):
    return export.run(made / source, out, format=format, reporter=QuickReporter(), **options)


def probabilities(path, made, **options):
    photos = sorted((made / "photos").iterdir())
    answers = list(api.load_model(path, **options).predict(photos))
    assert [answer.error for answer in answers] == [None] * len(photos)
    return [answer.probability for answer in answers]


# --- the same answers --------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["onnx", "litert", "saved_model"])
def test_an_export_answers_as_the_run(made, tmp_path, format):
    outcome = exported(made, tmp_path / "e", format=format)

    assert probabilities(tmp_path / "e", made) == pytest.approx(
        probabilities(made / "run0", made), abs=1e-5
    )
    compared = outcome.description.members[0].graph.compared
    assert compared.source == "12 images of val"
    assert 0 <= compared.max_difference < 1e-4
    assert f"{compared.max_difference:.2g} in probability" in outcome.to_text()


@pytest.mark.slow
@pytest.mark.parametrize("format", ["litert", "saved_model"])
@pytest.mark.parametrize("backbone", list(models.BACKBONES))
def test_every_family_answers_in_every_format(backbone, format):
    build = ModelConfig(backbone=backbone, weights="none", image_size=96)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 96, 96, 3), np.uint8)
    model = spread(models.build_model(**build.model_dump()), pixels.astype("float32"))
    files = exporting.WRITERS[format](model)
    inner = {name.partition("/")[2]: content for name, content in files.items()}

    if format == "litert":
        compute = open_litert(*files.values(), "it")
    else:
        compute = open_saved_model(inner, "it")

    found = network_of(compute, 96, "it")(pixels, 1.0)
    expected = np.asarray(model(pixels.astype("float32"), training=False))[:, 0]
    assert np.ptp(expected) == pytest.approx(4, rel=0.01)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE.get(backbone, 1e-3))


def test_ensembles_and_views_are_exported_to_one_file(made, tmp_path):
    exported(made, tmp_path / "e.skinlesion", source="ensemble")

    assert probabilities(tmp_path / "e.skinlesion", made) == pytest.approx(
        probabilities(made / "ensemble", made), abs=1e-5
    )
    assert probabilities(tmp_path / "e.skinlesion", made, views=4) == pytest.approx(
        probabilities(made / "ensemble", made, views=4), abs=1e-5
    )


def test_a_bundle_is_exported_too_and_an_export_is_not(made, tmp_path):
    bundling.run(made / "run0", tmp_path / "b", reporter=QuickReporter())
    reporter = QuickReporter()
    export.run(tmp_path / "b", tmp_path / "drawn", format="onnx", reporter=reporter)
    told = export.run(
        *(tmp_path / "b", tmp_path / "e"),
        format="onnx",
        images=made / "photos",
        reporter=QuickReporter(),
    ).description

    assert any("synthetic images" in line for line in reporter.said)
    assert told.members[0].graph.compared.source == "6 images of photos"
    assert probabilities(tmp_path / "e", made) == pytest.approx(
        probabilities(tmp_path / "b", made), abs=1e-5
    )
    with pytest.raises(DataError, match="is an export already"):
        export.run(tmp_path / "e", tmp_path / "f", format="litert", reporter=QuickReporter())


@pytest.mark.thorough
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_an_export_is_predicted_without_tensorflow(made, tmp_path, format):
    exported(made, tmp_path / "e", format=format)
    code = (
        "import sys; from skinlesion.cli import main; sys.argv[0] = 'skinlesion'; main.__call__\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'matplotlib', 'pandas', 'onnx', 'h5py'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)), 'scipy.ndimage' in sys.modules)"
    )
    words = ["predict", made / "photos", "--model", tmp_path / "e", "--runtime", format]

    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count(".png") == 6
    assert "HEAVY [] False" in done.stdout


# --- refusals ----------------------------------------------------------------------------------


def test_a_graph_that_differs_is_refused_and_nothing_is_left(made, tmp_path, monkeypatch):
    def wrong(model):
        weights = model.get_weights()
        model.set_weights([*weights[:-1], weights[-1] + 0.01])
        content = onnx_bytes(model)
        model.set_weights(weights)
        return {".onnx": content}

    monkeypatch.setitem(exporting.WRITERS, "onnx", wrong)

    with pytest.raises(QualityGateError, match="differs from the Keras model"):
        exported(made, tmp_path / "new" / "e")
    assert list(tmp_path.iterdir()) == []


def test_int8_is_smaller_and_says_how_good_it_is(made, tmp_path):
    outcome = exported(made, tmp_path / "e", format="litert", int8=True, max_auc_drop=0.5)

    graph = outcome.description.members[0].graph
    assert (graph.weights, graph.compared.images) == ("int8", 12)
    assert graph.compared.keras_auc - graph.compared.auc <= 0.5
    assert graph.compared.max_difference > 0
    assert "times as fast" in outcome.to_text()
    assert len(probabilities(tmp_path / "e", made)) == 6


def test_int8_that_ranks_worse_than_allowed_is_refused(made):
    dataset = open_dataset(made / "dataset")
    rows = dataset.manifest.rows("val")
    images = Images(dataset.pixels, rows, dataset.manifest.target("malignant")[rows])

    def right(pixels, scale):
        return -pixels.mean(axis=(1, 2, 3)).astype(np.float64)

    def wrong(pixels, scale):
        return -right(pixels, scale)

    found, _ = compare_auc(right, right, images, max_drop=0.0, where="it")
    assert found.auc == found.keras_auc > 0.5
    with pytest.raises(QualityGateError, match="the Keras model one of"):
        compare_auc(wrong, right, images, max_drop=0.01, where="it")


def test_what_does_not_fit_is_refused(made, tmp_path):
    exported(made, tmp_path / "e")

    with pytest.raises(ConfigError, match="--int8 is not for onnx"):
        exported(made, tmp_path / "f", int8=True)
    with pytest.raises(ConfigError, match="--images is not for --int8"):
        exported(made, tmp_path / "f", format="litert", int8=True, images=made / "photos")
    with pytest.raises(ConfigError, match="--max-auc-drop is how --int8 is judged"):
        exported(made, tmp_path / "f", format="litert", max_auc_drop=0.02)
    with pytest.raises(ConfigError, match=r"a bundle is no \.onnx file"):
        exported(made, tmp_path / "f.onnx")
    with pytest.raises(DataError, match="there is no folder"):
        exported(made, tmp_path / "f", images=tmp_path / "nowhere")
    with pytest.raises(DataError, match="exists already"):
        exported(made, tmp_path / "e")
    with pytest.raises(DataError, match="is not a model bundle, so --overwrite"):
        exported(made, made / "run1", overwrite=True)
    assert {file.name for file in tmp_path.iterdir()} == {"e"}
    for path, runtime in ((made / "run0", "onnx"), (tmp_path / "e", "litert")):
        with pytest.raises(ConfigError, match=f"cannot be computed by {runtime}"):
            api.load_model(path, runtime=runtime)
    with pytest.raises(ConfigError, match="cannot be computed by tensorflow"):
        api.load_model(tmp_path / "e", runtime="tensorflow")


# --- hostile files -----------------------------------------------------------------------------


def retold(folder, change):
    """Apply ``change`` to the values of model.json and give it a checksum that fits."""
    values = json.loads((folder / "model.json").read_text())
    del values["checksum"]
    change(values)
    (folder / "model.json").write_text(json.dumps({**values, "checksum": _checksum(values)}))


@pytest.mark.parametrize(
    ("format", "file"),
    [("onnx", "member-00.onnx"), ("saved_model", "member-00/variables/variables.index")],
)
def test_a_changed_file_is_never_opened(made, tmp_path, format, file):
    exported(made, tmp_path / "e", format=format)
    whole = (tmp_path / "e" / file).read_bytes()
    turned = bytes([whole[0] ^ 1])
    for content in (whole[:-1], whole + b"\0", turned + whole[1:], b""):
        (tmp_path / "e" / file).write_bytes(content)
        with pytest.raises(IntegrityError, match="was changed"):
            api.load_model(tmp_path / "e")


@pytest.mark.parametrize("name", ["../outside.onnx", "/etc/passwd", "member-00/more.py", "a.onnx"])
def test_other_names_are_refused(made, tmp_path, name):
    exported(made, tmp_path / "e")
    retold(tmp_path / "e", lambda v: v["members"][0]["graph"]["files"][0].update(name=name))

    with pytest.raises(SkinlesionError, match="does not describe a model"):
        api.load_model(tmp_path / "e")


def test_a_link_in_an_export_is_refused(made, tmp_path):
    exported(made, tmp_path / "e", format="saved_model")
    (tmp_path / "e/member-00").rename(tmp_path / "elsewhere")
    (tmp_path / "e/member-00").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DataError, match="is not a model bundle"):
        api.load_model(tmp_path / "e")


def graph_of(*nodes, constants=(), domains=("",), **parts):
    value = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", 32, 32, 3])
    logit = helper.make_tensor_value_info("logit", onnx.TensorProto.FLOAT, ["n", 1])
    graph = helper.make_graph(list(nodes), "g", [value], [logit], list(constants))
    sets = [helper.make_opsetid(domain, 17) for domain in domains]
    return helper.make_model(graph, opset_imports=sets, **parts)


def outside_data():
    tensor = helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], b"\0" * 4, raw=True)
    onnx.external_data_helper.set_external_data(tensor, "../../../../etc/passwd")
    tensor.ClearField("raw_data")
    return graph_of(helper.make_node("Add", ["image", "w"], ["logit"]), constants=[tensor])


def inner_graph():
    body = helper.make_graph([], "body", [], [])
    return graph_of(helper.make_node("If", ["image"], ["logit"], then_branch=body))


def hidden_graph():
    body = helper.make_graph([], "body", [], [])
    return graph_of(helper.make_node("Relu", ["image"], ["logit"], then_branch=body))


def own_function():
    node = helper.make_node("Relu", ["x"], ["y"])
    sets = [helper.make_opsetid("", 17)]
    function = helper.make_function("mine", "Relu", ["x"], ["y"], [node], sets)
    call = helper.make_node("Relu", ["image"], ["logit"])
    return graph_of(call, functions=[function])


HOSTILE = {
    "outside data": outside_data,
    "another domain": lambda: graph_of(
        helper.make_node("Relu", ["image"], ["logit"], domain="com.microsoft"),
    ),
    "another set": lambda: graph_of(
        helper.make_node("Relu", ["image"], ["logit"]), domains=("", "mine")
    ),
    "unknown operator": lambda: graph_of(helper.make_node("PyOp", ["image"], ["logit"])),
    "a graph inside": inner_graph,
    "a graph where none belongs": hidden_graph,
    "a function": own_function,
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_onnx_that_is_more_than_a_network_is_refused_unopened(name):
    with pytest.raises(IntegrityError, match="not an ONNX graph that may be run"):
        open_onnx(HOSTILE[name]().SerializeToString(), "it")


@pytest.mark.parametrize("seed", range(20))
def test_broken_onnx_is_refused_or_read_but_never_a_bug(seed):
    content = graph_of(helper.make_node("Relu", ["image"], ["logit"])).SerializeToString()
    refuse_foreign(content, where="it")
    rng = np.random.default_rng(seed)
    broken = bytearray(content[: rng.integers(len(content))])
    for place in rng.integers(0, max(1, len(broken)), 3) if broken else ():
        broken[place] = rng.integers(256)

    with pytest.raises(IntegrityError):
        open_onnx(bytes(broken), "it")


def test_a_graph_of_another_shape_is_refused(made, tmp_path):
    exported(made, tmp_path / "e")
    predictor = api.load_model(tmp_path / "e")
    wide = graph_of(helper.make_node("Relu", ["image"], ["logit"])).SerializeToString()

    with pytest.raises(IntegrityError, match="cannot be run"):
        open_onnx(wide, "it")(np.zeros((1, 8, 8, 3), np.float32))
    assert predictor.description.format == "onnx"


def test_litert_with_operators_of_its_own_is_refused():
    @tf.function(input_signature=[tf.TensorSpec((None, 32, 32, 3), tf.float32, name="image")])
    def foreign(image):
        return {"logit": tf.math.lgamma(image)[:, 0, 0, :1]}

    module = tf.Module()
    module.foreign = foreign
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [foreign.get_concrete_function()], module
    )
    converter.allow_custom_ops = True
    content = converter.convert()

    for hostile in (content, content[: len(content) // 2], b"", b"TFL3" * 100):
        with pytest.raises(IntegrityError):  # LiteRT answers an unknown operator with nothing
            network_of(open_litert(hostile, "it"), 32, "it")(np.zeros((1, 32, 32, 3), "uint8"), 1.0)


def test_a_saved_model_that_writes_files_is_refused_unopened(tmp_path):
    target = str(tmp_path / "written")

    @tf.function(input_signature=[tf.TensorSpec((None, 32, 32, 3), tf.float32, name="image")])
    def writing(image):
        tf.io.write_file(target, "x")
        return {"logit": image[:, 0, 0, :1]}

    @tf.function(input_signature=[tf.TensorSpec((None, 32, 32, 3), tf.float32, name="image")])
    def saving(image):
        tf.raw_ops.SaveV2(prefix=target, tensor_names=["x"], shape_and_slices=[""], tensors=[image])
        return {"logit": image[:, 0, 0, :1]}

    for function in (writing, saving):
        module = tf.Module()
        module.function = function
        folder = tmp_path / function.__name__
        tf.saved_model.save(module, str(folder), signatures=function)
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        with pytest.raises(IntegrityError, match="run"):
            open_saved_model(files, "it")(np.zeros((1, 32, 32, 3), np.float32))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("written")]


def test_models_of_half_precision_are_exported_in_float32(tiny_backbone):
    model = models.build_model("efficientnet_lite0", image_size=32, precision="bfloat16")
    same = models.build_model("efficientnet_lite0", image_size=32)
    same.set_weights(model.get_weights())

    assert onnx_bytes(model) == onnx_bytes(same)
