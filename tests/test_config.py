"""YAML and --set become a frozen config, or an error that names the key."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from skinlesion.config import (
    MAX_YAML_BYTES,
    SCHEMAS,
    AdamW,
    ArchiveQuery,
    CompareConfig,
    DownloadConfig,
    EnsembleConfig,
    EvaluateConfig,
    ExplainConfig,
    FinetuneConfig,
    Focal,
    Greedy,
    PreprocessConfig,
    SensitivityThreshold,
    SoupConfig,
    Space,
    TrainConfig,
    TtaConfig,
    WeightedCrossentropy,
    find_config,
    load_config,
    loading,
    read_yaml,
    to_yaml,
)
from skinlesion.errors import ConfigError

MODEL = "model: {backbone: resnet50}\n"


@pytest.fixture
def load(tmp_path):
    """Load YAML text as a config."""

    def load_text(text, *overrides, schema=TrainConfig):
        path = tmp_path / "given.yaml"
        path.write_text(text, encoding="utf-8")
        return load_config(path, schema, overrides)

    return load_text


def refused(load, text, *overrides, schema=TrainConfig):
    """The message of the ConfigError that this config gives."""
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides, schema=schema)
    assert caught.value.exit_code == 2
    return str(caught.value)


# --- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("epoch: 3", "epoch: unknown key; did you mean epochs?"),
        ("learning_rate: 1", "learning_rate: unknown key; did you mean optimizer.learning_rate?"),
        ("schedule: {warmup: 3}", "schedule.warmup: unknown key; did you mean schedule.warmup_ep"),
        ("loss: {name: focal, gama: 2}", "loss.focal.gama: unknown key; did you mean loss.gamma?"),
        ("sampling: {name: shuffle, malignant_fraction: 0.3}", "another kind of sampling has it"),
        ("optimizer: {name: adamw, momentum: 1}", "momentum: unknown key; another kind of optimiz"),
        ("xyzzy: 3", "xyzzy: unknown key\n"),
    ],
)
def test_an_unknown_key_is_named_by_its_path_with_the_key_that_was_meant(load, text, line):
    assert line in refused(load, MODEL + text) + "\n"


def test_every_wrong_key_is_listed(load):
    message = refused(load, MODEL + "epochs: 0\nbatch_size: many\naugment: {hue: 0.6}")

    for key in ("epochs", "batch_size", "augment.hue"):
        assert f"\n    {key}: " in message


def test_a_missing_key_is_named(load):
    assert "model.backbone: Field required" in refused(load, "model: {}")


def test_a_key_given_twice_is_refused_at_any_depth(load):
    assert "'epochs' stands twice" in refused(load, MODEL + "epochs: 1\nepochs: 2")
    assert "'gamma' stands twice" in refused(load, MODEL + "loss: {gamma: 1, gamma: 1}")


def test_a_merge_key_is_no_key_given_twice(load):
    text = "model: &m {backbone: alexnet, weights: none}\n<<: {epochs: 2}\nseed: 1\ntrainable: all"

    assert load(text).epochs == 2


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["epochs: yes", "augment: {rotate_degrees: true}", "optimizer: {learning_rate: on}"],
)
def test_a_switch_is_not_a_number(load, line):
    assert "(received 'True')" in refused(load, MODEL + line)


@pytest.mark.parametrize("value", [".inf", ".nan", "-1", "0"])
def test_a_learning_rate_is_positive_and_finite(load, value):
    message = refused(load, MODEL + f"optimizer: {{name: sgd, learning_rate: {value}}}")

    assert "optimizer.sgd.learning_rate" in message


@pytest.mark.parametrize("value", ["head", "all", "20", "1 block", "3 blocks"])
def test_what_trainable_may_be(load, value):
    assert str(load(MODEL + f"trainable: {value}").trainable) == value


@pytest.mark.parametrize("schema", [TrainConfig, FinetuneConfig])
@pytest.mark.parametrize("value", ["3 blcks", "0", "-2", "yes", "1.5", "0 blocks", "[1]", "null"])
def test_a_wrong_trainable_is_one_readable_line(load, schema, value):
    model = MODEL if schema is TrainConfig else ""

    what, *problems = refused(load, model + f"trainable: {value}", schema=schema).splitlines()

    assert what.endswith(f"is not a valid {schema.__name__}:")
    assert len(problems) == 1
    assert problems[0].startswith("    trainable: should be head, all, the last n layers (20)")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("model: {backbone: alexnet}", "alexnet has no ImageNet weights"),
        ("model: {backbone: resnet50, batch_norm: true}", "batch_norm is an option of alexnet"),
        ("model: {backbone: resnet50, weights: none}", "keeps random features"),
        (MODEL + "trainable: all\nfeature_views: 2", "feature_views is for trainable: head"),
        (MODEL + "loss: {name: focal, alpha: 0.7, class_weight: balanced}", "both weigh the class"),
        (MODEL + "loss: {class_weight: balanced, beta: 0.9}", "beta is of class_weight: effective"),
        (MODEL + "loss: {name: focal, beta: 0.9}", "beta is of class_weight: effective_number"),
    ],
)
def test_options_that_contradict_each_other_are_refused(load, text, what):
    assert what in refused(load, text)


def test_some_images_are_left_to_train(load):
    text = "val_fraction: 0.5\ntest_fraction: 0.5"

    assert "must be below 1" in refused(load, text, schema=PreprocessConfig)


@pytest.mark.parametrize("split", ["../up", "a/b", "", ".hidden", "a\\b"])
def test_a_split_is_a_name_and_no_path(load, split):
    assert "split: " in refused(load, f"split: '{split}'", schema=EvaluateConfig)


def test_a_config_does_not_change(load):
    with pytest.raises(ValidationError, match="frozen"):
        load(MODEL).epochs = 3


# --- a section without the name of its kind ---------------------------------------------------


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        ("method: greedy", []),
        ("method: {name: greedy}", []),
        ("", ["method=greedy"]),
        ("", ["method.name=greedy"]),
        ("method: mean", ["method=greedy"]),
        ("method: mean", ["method.name=greedy"]),
        ("method: {name: mean}", ["method=greedy"]),
    ],
)
def test_a_kind_of_section_may_be_named_by_a_word_alone(load, text, overrides):
    assert load(text, *overrides, schema=EnsembleConfig).method == Greedy(name="greedy")


@pytest.mark.parametrize("text", ["", "method: stacking", "method: {name: greedy, rounds: 2}"])
def test_a_word_can_be_followed_by_a_key_of_its_section(load, text):
    config = load(text, "method=greedy", "method.rounds=7", schema=EnsembleConfig)

    assert config.method == Greedy(name="greedy", rounds=7)


def test_the_word_stands_for_whatever_tells_the_kinds_apart(load):
    assert load(MODEL, "loss=focal").loss == Focal(name="focal")
    assert load("threshold: youden", schema=EvaluateConfig).threshold.rule == "youden"


@pytest.mark.parametrize("text", ["method: gredy", "method: {name: gredy}"])
def test_a_word_that_names_no_kind_is_refused_with_those_that_do(load, text):
    problem = refused(load, text, schema=EnsembleConfig)

    assert "method" in problem
    assert "method: 'gredy' is none of " in problem
    assert "'greedy', 'best_subset'" in problem


def test_a_word_for_a_section_is_answered_with_its_keys(load):
    problem = refused(load, MODEL + "schedule: one_cycle")

    assert "schedule: is a section, whose keys are schedule." in problem
    assert "schedule.decay" in problem


def test_what_is_wrong_with_the_whole_stands_without_a_key(load):
    problem = refused(load, MODEL + "averaging: {name: last_epochs, epochs: 9}\nepochs: 4")

    assert "\n    averaging.epochs is 9, more than the 4 epochs of the run: lower" in problem


def test_settings_of_the_command_line_are_not_blamed_on_the_file_alone(load):
    assert " with --set is not a valid " in refused(load, MODEL, "epochs=0")
    assert " with --set " not in refused(load, MODEL + "epochs: 0")


def test_a_key_of_another_kind_is_refused(load):
    problem = refused(load, "method: mean", "method.rounds=3", schema=EnsembleConfig)

    assert "method.mean.rounds: unknown key; another kind of method has it" in problem


def test_one_key_of_the_default_loss_optimizer_or_threshold_can_be_set(load):
    config = load(MODEL, "loss.class_weight=[1, 3]", "optimizer.learning_rate=3e-2")

    assert config.loss == WeightedCrossentropy(name="weighted_crossentropy", class_weight=(1, 3))
    assert config.optimizer == AdamW(name="adamw", learning_rate=0.03)


def test_the_rest_of_the_default_stays():
    default = FinetuneConfig().optimizer

    changed = load_config(None, FinetuneConfig, ["optimizer.weight_decay=0"]).optimizer

    assert default.learning_rate != AdamW(name="adamw").learning_rate
    assert changed == default.model_copy(update={"weight_decay": 0})


def test_another_kind_starts_from_its_own_defaults(load):
    assert load(MODEL, "loss.name=focal").loss == Focal(name="focal")
    threshold = load("", "threshold.rule=sensitivity", schema=EvaluateConfig).threshold
    assert threshold == SensitivityThreshold(rule="sensitivity")


def test_yaml_may_leave_the_name_out_as_well(load):
    assert load(MODEL + "optimizer: {weight_decay: 0.5}").optimizer.weight_decay == 0.5


def test_a_key_of_another_kind_is_not_taken(load):
    message = refused(load, "", "threshold.value=0.4", schema=EvaluateConfig)

    assert "threshold.youden.value: unknown key; another kind of threshold has it" in message


# --- --set ------------------------------------------------------------------------------------


def test_set_wins_over_yaml_and_the_last_one_over_the_first(load):
    config = load(MODEL + "epochs: 3\nseed: 4", "epochs=5", "epochs=6", " model.dropout = 0.5")

    assert (config.epochs, config.seed, config.model.dropout) == (6, 4, 0.5)


def test_set_reads_yaml_values(load):
    config = load(MODEL, "limit=null", "augment={flip: false}", "trainable=2 blocks")

    assert (config.limit, config.augment.flip, config.trainable) == (None, False, "2 blocks")


@pytest.mark.parametrize("override", ["epochs", "=3", " =3", ""])
def test_set_without_key_or_value_shows_the_form(load, override):
    assert "expected: key=value, such as epochs=3" in refused(load, MODEL, override)


@pytest.mark.parametrize("override", ["epochs=[", "epochs=2020-13-45", "loss={name: a, name: b}"])
def test_set_to_what_is_no_yaml_names_the_override(load, override):
    message = refused(load, MODEL, override)

    assert message.startswith(f"--set {override}: the value is not valid YAML")


def test_set_below_a_value_is_refused(load):
    assert "backbone is not a section" in refused(load, MODEL, "model.backbone.x=3")


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["- a\n- b", "word", "3", "true"])
def test_what_is_no_mapping_is_refused(load, text):
    assert "is not a YAML mapping" in refused(load, text)


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: 1\n\tb: 2",
        "a: \0",
        "a: 1\n---\nb: 1",
        "a: 2020-13-45",
        "a: !!int one",
        "a: !!bool maybe",
        "a: !!timestamp today",
        "a: !!python/object/apply:os.getcwd []",
        "? [list]\n: 1",
        "[" * 500,
    ],
)
def test_what_is_no_safe_yaml_is_refused(load, text):
    assert "is not valid YAML" in refused(load, text)


def test_text_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "latin1.yaml"
    path.write_bytes("seed: é".encode("latin-1"))

    with pytest.raises(ConfigError, match="not valid YAML"):
        read_yaml(path)


def test_an_empty_file_is_all_defaults(load):
    assert load("# nothing\n", schema=EvaluateConfig) == EvaluateConfig()


def test_a_file_too_large_for_a_config_is_not_parsed(load):
    assert "is larger than" in refused(load, "#" * (MAX_YAML_BYTES + 1))


def test_a_value_that_grows_when_it_is_printed_is_cut_short(load):
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]

    message = refused(load, "\n".join(["l0: &l0 [x]", *levels, "seed: *l11", MODEL]))

    assert len(message) < 5000


# --- where a bare name is found ---------------------------------------------------------------


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The three places, in order, each with a config of that name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "PRESETS", tmp_path / "presets")
    files = [Path("it.yaml"), Path("configs/it.yaml"), tmp_path / "presets" / "it.yaml"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
    return files


def test_a_bare_name_is_looked_up_here_then_in_configs_then_among_the_presets(places):
    for place in places:
        assert find_config(Path("it.yaml")).resolve() == place.resolve()
        place.unlink()


def test_an_unknown_name_lists_the_presets_and_the_one_that_was_meant(places):
    with pytest.raises(ConfigError, match="preset") as caught:
        find_config(Path("iit.yaml"))

    assert "(it.yaml)" in caught.value.expected
    assert caught.value.fix == "did you mean it.yaml?"


def test_an_absolute_path_is_looked_up_nowhere_else(places, tmp_path):
    with pytest.raises(ConfigError, match="there is no config"):
        find_config(tmp_path / "elsewhere" / "it.yaml")


def test_a_folder_is_no_config(tmp_path):
    with pytest.raises(ConfigError, match="there is no config"):
        find_config(tmp_path)


# --- resolved configs -------------------------------------------------------------------------

RESOLVED = [
    DownloadConfig(
        archive=ArchiveQuery(query='diagnosis_3:"Nevus" AND sex:male', collections=(70,)),
        challenge={"years": (2017, 2020), "splits": ("test",)},
        licences=("CC-0",),
        limit=3,
    ),
    DownloadConfig(),
    PreprocessConfig(
        sources=("a b", "1", "é"),
        val_fraction=1e-7,
        test_fraction=0.1 + 0.2,
        classes={"yes": "benign", "1": "malignant", "a: b": "benign"},
    ),
    TrainConfig(
        model={"backbone": "alexnet", "weights": "none", "dropout": 1 / 3},
        trainable="3 blocks",
        optimizer={"name": "sgd", "learning_rate": 1e-5},
        loss={"name": "focal", "gamma": 0, "alpha": 0.75},
        sampling={"name": "balanced", "malignant_fraction": 1 / 3, "images_per_epoch": 100},
        limit=10,
    ),
    TrainConfig(model={"backbone": "resnet50", "weights": "null"}, trainable=7),
    TrainConfig(model={"backbone": "resnet50"}, loss={"class_weight": (1, 2.5)}),
    FinetuneConfig(run="runs/a", seed=3),
    FinetuneConfig(),
    EnsembleConfig(members=("runs/a", "runs/~b"), method="rank_mean"),
    TrainConfig(model={"backbone": "resnet50"}, fold={"count": 3, "index": None, "seed": 2}),
    Space(parameters={"model.dropout": {"type": "float", "low": 0, "high": 0.1 + 0.2}}),
    Space(parameters={"batch_size": {"type": "int", "low": 8, "high": 32, "step": 8}}),
    Space(parameters={"limit": {"type": "categorical", "choices": (None, True, 1, 0.5, "null")}}),
    TtaConfig(run="runs/a", scales=(1, 0.1 + 0.7), views=2),
    SoupConfig(members=("runs/a", "runs/b"), dataset="null", criterion="log_loss"),
    EvaluateConfig(split="1", threshold={"rule": "fixed", "value": 0.25}),
    EvaluateConfig(split="null", threshold={"rule": "sensitivity", "at_least": 1}),
    EvaluateConfig(prevalence=0.02, interval="bca"),
    EvaluateConfig(),
    CompareConfig(members=("runs/a", "b.csv"), score="mcc"),
    ExplainConfig(run="runs/a", images=("1", "null"), method={"name": "occlusion", "window": 1}),
]


def test_the_examples_below_cover_every_schema():
    assert {type(config) for config in RESOLVED} == set(SCHEMAS.values())


@pytest.mark.parametrize("config", RESOLVED, ids=lambda config: type(config).__name__)
def test_a_resolved_config_fed_back_is_the_same(config, load):
    again = load(to_yaml(config), schema=type(config))

    assert again == config
    assert to_yaml(again) == to_yaml(config)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_of_the_resolved_config_is_written(name):
    required = {
        "train": {"model": {"backbone": "resnet50"}},
        "search": {"epochs": {"type": "int", "low": 1, "high": 9}},
    }
    config = SCHEMAS[name].model_validate(required.get(name, {}))

    assert all(f"{field}:" in to_yaml(config) for field in SCHEMAS[name].model_fields)
