"""The report's pages: numbers as computed, nothing fetched, nothing unescaped, readable by all."""

import base64
import hashlib
import json
import re

import numpy as np
import pytest
from fabricated import TEST, VAL, predictions
from pages import embedded, read_page, table

from skinlesion.commands import evaluate
from skinlesion.config import EvaluateConfig, YoudenThreshold
from skinlesion.data.store import write_dataset
from skinlesion.metrics.scores import confusion, score_all
from skinlesion.progress import Reporter
from skinlesion.report import explorer
from skinlesion.report.charts import Frame, nice_ticks, thinned
from skinlesion.report.leaderboard import COLUMNS
from skinlesion.report.subjects import Foreign, Subject
from skinlesion.runs import write_json
from skinlesion.tables import Manifest

pytestmark = pytest.mark.usefixtures("unrendered")
HOSTILE = "<script>alert('x')<!--\"&"


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Evaluate all runs, or a foreign table; returns the overview and the pages by name."""
    monkeypatch.chdir(tmp_path)

    def run(foreign=None, **config):
        evaluate.run(
            EvaluateConfig(resamples=100, **config),
            runs=() if foreign else [tmp_path / "runs" / "*"],
            foreign=foreign,
            reports=tmp_path / "reports",
            reporter=Reporter(quiet=True),
        )
        found = [*tmp_path.glob("runs/*/eval/test/report.html")]
        found += [*tmp_path.glob("reports/test/*/report.html")]
        pages = {
            json.loads(one.with_name("metrics.json").read_text())["name"]: one for one in found
        }
        return tmp_path / "reports" / "test" / "report.html", pages

    return run


@pytest.fixture
def dataset(tmp_path):
    """A data set with the pictures of ``TEST``; returns its fingerprint."""
    ids, count = np.array([*TEST]), len(TEST)
    label = np.array([y for y, _ in TEST.values()])
    words = {name: np.array([name] * count) for name in ("test", HOSTILE, "isic")}
    manifest = Manifest(ids, ids, label, label, ids, words["test"], words[HOSTILE], words["isic"])
    folder = tmp_path / "dataset"
    folder.mkdir()
    described = {
        "settings": {"fit": "squash", "cleaning": {}},
        "sources": [{"name": "isic", "root": "/x", "layout": "csv", "count": 9, "unlabelled": []}],
        "counts": {"test": {"nevus": 5, "melanoma": 3}, "train": {"nevus": 2}},
        "excluded": {"wart": 7},
        "dropped": [{"split": "train", "reason": "byte-identical to x0"}] * 2,
        "protected": ["isic2017-test"],
        "copies": 4,
        "contradictory": [],
    }
    pixels = (np.full((8, 8, 3), 20 * row, np.uint8) for row in range(count))
    write_dataset(folder, manifest, pixels, size=8, description=described)
    return json.loads((folder / "dataset.json").read_text())["fingerprint"]


def metrics(path):
    return json.loads(path.with_name("metrics.json").read_text())


def told(estimate):
    if estimate["value"] is None:
        return "undefined"
    return "{value:.3f} ({low:.3f}-{high:.3f})".format(**estimate)


# --- numbers ----------------------------------------------------------------------------------


def test_the_page_shows_every_score_of_metrics_json(make_run, report):
    make_run("a")

    _, pages = report()

    written, page = metrics(pages["a"]), read_page(pages["a"])
    head, *glance = table(page, "Scores on test")
    assert head == ["score", "a", "always benign"]
    assert [row[1] for row in glance] == [
        told(written["scores"][column.score]) for column in COLUMNS
    ]
    everything = dict(row[:2] for row in table_of_all(page))
    for name, estimate in written["scores"].items():
        assert everything[name.replace("_", " ")] == told(estimate)
    for name, estimate in written["calibration"].items():
        assert everything[f"calibration {name}"].startswith(f"{estimate['value']:.3f}")


def table_of_all(page):
    details = next(one for one in page.all("details") if one.text.startswith("All scores"))
    return table(details, "Scores on test")


def test_the_leaderboard_of_the_page_is_that_of_the_command(make_run, report, tmp_path):
    make_run("a")
    make_run("b", test={name: (y, 1 - p) for name, (y, p) in TEST.items()})

    overview, _ = report()

    head, *rows = table(read_page(overview), "Scores with intervals")
    board = json.loads((tmp_path / "reports" / "test" / "leaderboard.json").read_text())
    assert [row[0] for row in rows] == ["a", "b", "always benign"]
    for row, expected in zip(rows, board["rows"], strict=True):
        assert row[head.index("ROC AUC")] == told(expected["scores"]["roc_auc"])
        assert row[head.index("Precision (PPV)")] == told(expected["scores"]["ppv"])
        assert row[head.index("From")] == expected["threshold_rule"]
        assert float(row[head.index("Threshold")]) == pytest.approx(expected["threshold"], abs=5e-4)


def test_the_embedded_scores_give_the_confusion_matrix(make_run, report):
    make_run("a", test={name: (y, p / 3) for name, (y, p) in TEST.items()})

    overview, pages = report()

    written = metrics(pages["a"])
    for page in (overview, pages["a"]):
        (model,) = embedded(read_page(page))
        called = np.array(model["scores"]) >= model["marks"][0]["threshold"]
        labels = np.array(model["labels"])
        assert model["marks"][0]["threshold"] == written["threshold"]
        assert written["confusion"] == {
            "tn": int((~called & (labels == 0)).sum()),
            "fp": int((called & (labels == 0)).sum()),
            "fn": int((~called & (labels == 1)).sum()),
            "tp": int((called & (labels == 1)).sum()),
        }
        assert model["scores"] == sorted(p / 3 for _, p in TEST.values())


def test_marks_are_fitted_on_val_and_scored_on_the_split():
    test, val = predictions(TEST), predictions(VAL)
    subject = Subject("a", "resnet50", test, val, ("benign", "malignant"))

    found = explorer.marks(subject, YoudenThreshold(rule="youden"))

    assert [mark.rule for mark in found] == [
        "Youden on val",
        *(f"sensitivity >= {target} on val" for target in (0.82, 0.89, 0.95)),
        "fixed",
    ]
    for mark in found:
        assert mark.counts == confusion(test.y_true, test.y_prob, threshold=mark.threshold)
        expected = score_all(test.y_true, test.y_prob, threshold=mark.threshold)
        assert mark.scores == pytest.approx(expected, nan_ok=True)


def test_a_page_of_too_many_scores_keeps_the_best_models(make_run, report, monkeypatch):
    make_run("worse", test={name: (y, 1 - p) for name, (y, p) in TEST.items()})
    make_run("better")
    monkeypatch.setattr(explorer, "MOST", len(TEST))

    overview, _ = report()

    page = read_page(overview)
    assert [model["name"] for model in embedded(page)] == ["better"]
    assert "Left out, to keep the page small: worse" in page.text


def test_a_model_of_too_many_images_has_no_explorer(make_run, report, monkeypatch):
    make_run("a")
    monkeypatch.setattr(explorer, "MOST", len(TEST) - 1)

    _, pages = report()

    page = read_page(pages["a"])
    assert embedded(page) == []
    assert "Left out, to keep the page small: a" in page.text


def test_one_class_gives_a_page_that_says_undefined(make_run, report):
    make_run("a", test={f"x{n}": (0, n / 10) for n in range(4)})

    overview, pages = report()

    assert "No curves" in read_page(overview).text
    page = read_page(pages["a"])
    assert dict(row[:2] for row in table_of_all(page))["roc auc"] == "undefined"
    assert [one.attributes["id"] for one in page.all("figure") if "id" in one.attributes] == [
        "reliability",
        "histogram",
    ]


def test_the_same_runs_give_the_same_bytes(make_run, report):
    make_run("a")

    overview, pages = report()
    before = [page.read_bytes() for page in (overview, pages["a"])]
    report()

    assert [page.read_bytes() for page in (overview, pages["a"])] == before


def test_subgroups_are_drawn_with_sizes_intervals_and_gaps(make_run, report, tmp_path):
    make_run("a")
    lines = [f"{name},{'f' if row % 2 else 'm'}" for row, name in enumerate(TEST)]
    (tmp_path / "sex.csv").write_text("\n".join(["image_id,sex", *lines]))

    _, pages = report(subgroups={"file": tmp_path / "sex.csv", "columns": ["sex"]})

    page, parts = read_page(pages["a"]), metrics(pages["a"])["subgroups"]["sex"]
    _, *rows = table(page, "sensitivity by sex")
    for shown, row in zip(rows, parts["rows"], strict=True):
        assert shown[:2] == [row["name"], str(row["images"])]
        assert shown[3] == told(row["scores"]["sensitivity"])
    assert "Fewer than two subgroups are large enough" in page.text


# --- where things come from -------------------------------------------------------------------


def test_mistakes_have_their_pictures_and_diagnoses(make_run, report, dataset):
    run = make_run("a", dataset=dataset)
    run.config.write_text("monitor: val_auc\ndataset: dataset\n")

    _, pages = report()

    page = read_page(pages["a"])
    pictures = [one.attributes for one in page.all("img")]
    assert [one["alt"].partition(",")[0] for one in pictures] == ["x5", "x4", "x3"]
    assert all(one["src"].startswith("data:image/jpeg;base64,") for one in pictures)
    assert pictures[0]["alt"] == f"x5, {HOSTILE}"
    assert "Pictures are missing" not in page.text
    assert ["leak guard", "0 images of test are among those that the model learnt from"] in table(
        page, "Data and leak guard"
    )
    assert ["excluded by diagnosis: wart", "7"] in table(page, "Left out")
    assert ["dropped from train, as it would leak: byte-identical", "2"] in table(page, "Left out")


def test_another_data_set_gives_no_pictures_but_a_note(make_run, report, dataset):
    run = make_run("a", dataset="0" * 64)
    run.config.write_text("monitor: val_auc\ndataset: dataset\n")

    _, pages = report()

    page = read_page(pages["a"])
    assert not [*page.all("img")]
    assert "dataset is another data set than the one the model was trained on" in page.text


def test_an_ensemble_says_how_its_members_agree(make_run, report):
    make_run("a")
    make_run("b", test={name: (y, 0.9) for name, (y, _) in TEST.items()})
    ensemble = make_run("e", backbone=None, method="mean")
    entries = [{"path": f"runs/{name}", "backbone": "resnet50"} for name in "ab"]
    write_json(ensemble.members, {"members": entries})

    _, pages = report()

    page = read_page(pages["e"])
    # At 0.4, a calls 4 of 8 images malignant and b all.
    assert "calls an image alike in 50.0 % of cases" in page.text
    assert "1 of 2 members call it positive" in page.text
    assert "2 images are wrong by every member" in page.text


def test_members_that_are_gone_are_said_to_be(make_run, report):
    ensemble = make_run("e", backbone=None, method="mean")
    write_json(ensemble.members, {"members": [{"path": "runs/gone"}, {"path": "runs/too"}]})

    _, pages = report()

    assert "predictions of the members are not all at hand" in read_page(pages["e"]).text


def test_what_nobody_recorded_is_not_reported(report, tmp_path):
    predictions(TEST).write_csv(tmp_path / "theirs.csv")

    _, pages = report(Foreign(tmp_path / "theirs.csv"))

    page = read_page(pages["theirs"])
    items = dict(table(page, "CLEAR Derm")) | dict(table(page, "TRIPOD+AI"))
    for topic in ("Skin tone, and how it was assessed", "17 Ethical approval", "14 Fairness"):
        assert items[topic] == "not reported"
    for topic in ("Development of the algorithm", "5a Sources of data", "8a Outcome"):
        assert items[topic] == "not reported"
    assert "not checked: what this model learnt from is not recorded" in page.text


def test_a_foreign_table_on_melanoma_speaks_of_melanoma(report, tmp_path):
    predictions(TEST).write_csv(tmp_path / "theirs.csv")

    overview, _ = report(Foreign(tmp_path / "theirs.csv", target="melanoma"))

    assert "8 images: 3 melanoma, 5 not melanoma" in read_page(overview).text


def test_what_is_recorded_is_reported(make_run, report, dataset):
    run = make_run("a", dataset=dataset, skinlesion="0.1.0")
    run.config.write_text("monitor: val_auc\ndataset: dataset\nloss: {name: focal}\n")

    _, pages = report()

    items = dict(table(read_page(pages["a"]), "TRIPOD+AI"))
    assert items["5a Sources of data"] == "isic (csv, 9 images)"
    assert items["13 Class imbalance"].startswith("loss focal")
    assert items["8a Outcome"] == "malignant, against benign"
    assert items["18a Funding"] == "not reported"


# --- safe and usable --------------------------------------------------------------------------


@pytest.fixture
def hostile(make_run, report, tmp_path):
    """The pages on a run and images with hostile names."""
    test = {f"{HOSTILE}{name}": row for name, row in TEST.items()}
    run = make_run(HOSTILE.replace("/", ""), test=test, backbone=f"</script>{HOSTILE}")
    run.config.write_text(f"monitor: val_auc\n# </pre></script>{HOSTILE}\n")
    make_run("b", test=test)
    overview, pages = report()
    return [overview, *pages.values()]


def test_hostile_names_stay_text(hostile):
    for path in hostile:
        page = read_page(path)
        scripts = [one.attributes for one in page.all("script")]
        assert scripts == [{"type": "application/json", "id": "models"}, {}]
        assert HOSTILE in page.text
        assert HOSTILE not in path.read_text()
        names = {name for one in page.all() for name in one.attributes}
        assert not [name for name in names if name.startswith("on")]


def test_links_of_the_overview_lead_to_the_pages(hostile):
    from urllib.parse import unquote

    overview, *pages = hostile
    links = [
        one.attributes["href"]
        for one in read_page(overview).all("a")
        if not one.attributes["href"].startswith("#")
    ]

    found = {(overview.parent / unquote(link)).resolve() for link in links}
    assert found == {page.resolve() for page in pages}


def test_nothing_is_fetched(hostile):
    for path in hostile:
        page = read_page(path)
        for one in page.all():
            for name in ("src", "href", "action", "xlink:href", "data", "poster", "srcset"):
                value = one.attributes.get(name, "")
                assert re.match(r"$|#|data:image/jpeg;|\.\./", value), value
            assert one.tag not in ("link", "base", "iframe", "object", "embed", "form")
        style = next(page.all("style")).text
        assert "url(" not in style
        assert "@import" not in style


def test_the_policy_allows_the_one_script_and_nothing_else(hostile):
    for path in hostile:
        page = read_page(path)
        policy = next(page.all("meta", **{"http-equiv": "Content-Security-Policy"}))
        (script,) = (one for one in page.all("script") if not one.attributes)
        digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
        rules = dict(rule.strip().split(" ", 1) for rule in policy.attributes["content"].split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == f"'sha256-{digest}'"
        assert "connect-src" not in rules


def test_pages_can_be_read_without_seeing_them(hostile):
    for path in hostile:
        page = read_page(path)
        ids = [one.attributes["id"] for one in page.all() if "id" in one.attributes]
        assert len(set(ids)) == len(ids)
        assert next(page.all("html")).attributes["lang"] == "en"
        assert len([*page.all("h1")]) == 1
        assert len([*page.all("main")]) == 1
        assert next(page.all("a")).attributes["href"] == "#main"
        for link in page.all("a"):
            href = link.attributes["href"]
            assert not href.startswith("#") or href[1:] in ids
        for found in page.all("table"):
            assert next(found.all("caption")).text.strip()
            for head in next(found.all("thead")).all("th"):
                assert head.attributes["scope"] == "col"
        for drawing in page.all("svg"):
            if drawing.attributes.get("aria-hidden") != "true":
                assert drawing.attributes["role"] == "img"
                assert {*drawing.attributes["aria-labelledby"].split()} <= {*ids}
                assert next(drawing.all("desc")).text
        labelled = {one.attributes["for"] for one in page.all("label")}
        for field in (*page.all("input"), *page.all("select")):
            assert field.attributes["id"] in labelled or field.attributes.get("aria-label")
        assert "A research tool, not a medical device" in next(page.all("header")).text


# --- charts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.03, 0.2), (0, 0.5), (0, 3.7), (-12, 1)])
def test_ticks_are_few_round_and_within(low, high):
    ticks = nice_ticks(low, high)

    assert 3 <= len(ticks) <= 10
    assert low - 1e-9 <= min(ticks)
    assert max(ticks) <= high + 1e-9
    assert "-0" not in [f"{tick:g}" for tick in ticks]


def test_thinning_keeps_both_ends():
    assert thinned(10_000, 50)[[0, -1]].tolist() == [0, 9_999]
    assert len(thinned(10_000, 50)) == 50
    assert thinned(3, 50).tolist() == [0, 1, 2]


def test_larger_values_stand_further_right_and_higher():
    frame = Frame()

    assert frame.across(0) < frame.across(0.5) < frame.across(1)
    assert frame.up(0) > frame.up(0.5) > frame.up(1)
