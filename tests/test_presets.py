"""Every preset is a valid config of the command that its opening comment names."""

import re

import pytest

from skinlesion.commands.config import check, init
from skinlesion.config import PRESETS, SCHEMAS, load_config, to_yaml
from skinlesion.errors import DataError

NAMES = sorted(path.relative_to(PRESETS).as_posix() for path in PRESETS.rglob("*.yaml"))


def command_of(name):
    return re.search(r"^#.*\bskinlesion ([\w-]+) ", (PRESETS / name).read_text(), re.M)[1]


def test_there_are_presets_for_every_command():
    assert {command_of(name) for name in NAMES} == set(SCHEMAS)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_valid_for_the_command_in_its_comment(name):
    path, command = PRESETS / name, command_of(name)

    assert check(path, None, []).endswith(f"a valid {command} config")
    assert len(path.read_text().splitlines()) <= 40, "a preset is one screen"


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_resolved_is_the_same_config(name, tmp_path):
    config = load_config(PRESETS / name, SCHEMAS[command_of(name)])
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(to_yaml(config))

    assert load_config(resolved, type(config)) == config


@pytest.mark.parametrize("name", [name for name in NAMES if command_of(name) == "train"])
def test_a_training_preset_is_named_after_its_backbone(name):
    backbone = load_config(PRESETS / name, SCHEMAS["train"]).model.backbone

    assert backbone in name


def test_a_copied_preset_is_the_preset_and_replaces_nothing(tmp_path):
    out = tmp_path / "mine.yaml"

    init(PRESETS / NAMES[0], out)

    assert out.read_text() == (PRESETS / NAMES[0]).read_text()
    with pytest.raises(DataError, match="exists already"):
        init(PRESETS / NAMES[1], out)
    assert out.read_text() == (PRESETS / NAMES[0]).read_text()


@pytest.mark.parametrize("name", ["preprocess", "finetune", "ensemble", "tta", "soup", "explain"])
def test_a_command_without_a_config_does_what_its_preset_says(name):
    schema = SCHEMAS[name]

    assert load_config(PRESETS / f"{name}.yaml", schema) == load_config(None, schema)
