"""doctor: the report is whole, tells what fails, and goes on after it."""

import json

import pytest

from skinlesion.commands import doctor


def check(error=""):
    return {"check": "something", "ok": not error, "error": error, "seconds": 0.1}


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


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_this_machine_is_well(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    report = doctor.run()

    assert doctor.is_well(report), doctor.to_text(report)
