"""doctor: the report is whole, tells what fails, and goes on after it."""

import json
import time

import pytest

from skinlesion.commands import doctor


def check(error="", seconds=0.1, processor_seconds=0.1):
    return {
        "check": "something",
        "ok": not error,
        "error": error,
        "seconds": seconds,
        "processor_seconds": processor_seconds,
    }


def test_a_failing_check_is_told_and_the_others_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "_start", lambda made: "one device")
    monkeypatch.setattr(doctor, "_build", lambda made: made["absent"])
    monkeypatch.setattr(doctor, "_predict", lambda made: None)
    monkeypatch.setattr(doctor, "_train", lambda made: None)

    report = doctor.run()

    assert [one["ok"] for one in report["checks"]] == [True, True, False, True, True]
    assert report["checks"][1]["check"].endswith("one device")
    assert not doctor.is_well(report)
    assert "FAILED  EfficientNet-Lite0" in doctor.to_text(report)
    assert list(tmp_path.iterdir()) == []
    json.dumps(report)


def test_the_text_holds_what_a_bug_report_needs(monkeypatch):
    monkeypatch.setattr(doctor, "_checks", lambda: iter([check(), check("it broke")]))
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("AWS_SECRET", "hidden")

    text = doctor.to_text(doctor.run())

    for word in ("skinlesion: ", "tensorflow: ", "cores: ", "resnet50: ", "offline-weights: "):
        assert word in text
    assert "TF_ENABLE_ONEDNN_OPTS: 0" in text
    assert "FAILED  something (0.1 s): it broke" in text
    assert "hidden" not in text
    assert "1 of 2 checks passed in 0.2 s, 0.2 s of processor" in text


def test_what_is_not_set_or_not_installed_is_said_in_words(monkeypatch):
    for name in doctor._settings():
        monkeypatch.delenv(name)
    monkeypatch.setattr(doctor, "_checks", lambda: iter([check()]))
    monkeypatch.setattr(doctor, "_is_installed", lambda package: package != "mlflow")

    lines = doctor.to_text(doctor.run()).splitlines()

    assert "settings: none" in lines
    assert "  tracking: missing mlflow; pip install 'skinlesion[tracking]'" in lines
    assert "  web: installed" in lines


@pytest.mark.parametrize(
    ("seconds", "processor_seconds", "is_told"), [(94, 9, True), (25, 20, False), (9, 1, False)]
)
def test_a_machine_that_keeps_the_test_waiting_is_told_from_a_slow_one(
    seconds, processor_seconds, is_told
):
    text = doctor.to_text({"checks": [check("", seconds, processor_seconds)]})

    assert ("waited" in text) == is_told


def test_each_check_has_its_own_time(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def compute(made):
        start = time.process_time()
        while time.process_time() < start + 0.05:
            pass

    for name in ("_start", "_build", "_predict"):
        monkeypatch.setattr(doctor, name, lambda made: None)
    monkeypatch.setattr(doctor, "_train", compute)

    checks = doctor.run()["checks"]

    assert checks[-1]["processor_seconds"] >= 0.05
    assert all(one["seconds"] >= 0 for one in checks)
    assert checks[1]["processor_seconds"] < 0.05


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_this_machine_is_well(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    report = doctor.run()

    assert doctor.is_well(report), doctor.to_text(report)
