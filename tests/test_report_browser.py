"""The report in a real browser: no complaint, no request, and the numbers that Python computes."""

import json

import numpy as np
import pytest
from browser import chromium, program

from skinlesion.commands import evaluate
from skinlesion.config import EvaluateConfig
from skinlesion.metrics.scores import confusion, score_all
from skinlesion.progress import Reporter

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.usefixtures("unrendered"),
    pytest.mark.skipif(program() is None, reason="no chromium on the PATH"),
]
COUNTS = ("tn", "fp", "fn", "tp")
SCORES = ("sensitivity", "specificity", "ppv", "npv", "f1", "accuracy", "balanced_accuracy")
RESTATED = ("ppv_at_prevalence", "npv_at_prevalence")
READ = """Object.fromEntries([...document.querySelectorAll('[data-value]')].map(
    (cell) => [cell.dataset.value, cell.textContent]))"""


@pytest.fixture
def tables():
    """Labels and scores of two models on 120 images, as ``make_run`` takes them."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 4 == 0
    found = []
    for skill in (2, 1):
        scores = 1 / (1 + np.exp(-rng.normal(skill * labels - 1, 1)))
        found.append(
            {f"x{n}": (int(y), p) for n, (y, p) in enumerate(zip(labels, scores, strict=True))}
        )
    return found


def typed(element, value):
    """JavaScript that puts a value into a field as a user does."""
    return (
        f"(() => {{ const field = document.getElementById('{element}');"
        f" field.value = {json.dumps(value)};"
        " field.dispatchEvent(new Event('input', {bubbles: true})); return field.value; })()"
    )


def compare(shown, rows, threshold, prevalence):
    y_true, y_prob = (np.array(column) for column in zip(*rows.values(), strict=True))
    counts = confusion(y_true, y_prob, threshold=threshold)
    scores = score_all(y_true, y_prob, threshold=threshold, prevalence=prevalence)
    assert {name: int(shown[name]) for name in COUNTS} == counts
    for name in (*SCORES, *RESTATED):
        if np.isnan(scores[name]):
            assert shown[name] == "undefined"
        else:
            assert float(shown[name]) == pytest.approx(scores[name], abs=5.1e-4)


def test_the_report_in_a_browser(make_run, tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, rows in zip(("first", "second"), tables, strict=True):
        make_run(name, test=rows)
    evaluate.run(
        EvaluateConfig(resamples=100),
        runs=[tmp_path / "runs" / "*"],
        reports=tmp_path / "reports",
        reporter=Reporter(quiet=True),
    )
    overview = tmp_path / "reports" / "test" / "report.html"
    model = tmp_path / "runs" / "first" / "eval" / "test" / "report.html"

    with chromium(tmp_path / "profile") as page:
        page.open(overview)
        shown = page.run(READ)
        assert int(shown["tp"]) + int(shown["fn"]) == 30

        for threshold in ("0.25", "0", "1", "0.612"):
            page.run(typed("threshold", threshold))
            compare(page.run(READ), tables[0], float(threshold), 0.25)
        page.run(typed("prevalence", "2"))
        page.run(typed("exact", "0.3333333333"))
        compare(page.run(READ), tables[0], 0.3333333333, 0.02)
        _, score = tables[0]["x0"]
        page.run(typed("exact", repr(float(score))))
        compare(page.run(READ), tables[0], score, 0.02)

        # The keyboard moves the slider by a step, and a screen reader hears of it.
        page.run(typed("threshold", "0.5"))
        page.run("document.getElementById('threshold').focus()")
        page.press("ArrowRight")
        assert page.run("document.getElementById('threshold').value") == "0.501"
        compare(page.run(READ), tables[0], 0.501, 0.02)
        page.wait_for("document.getElementById('told').textContent.startsWith('At 0.5010')")

        # Another model has its own scores, and begins at its own threshold.
        page.run(
            "(() => { const choice = document.getElementById('model'); choice.value = '1';"
            " choice.dispatchEvent(new Event('change')); })()"
        )
        start = json.loads(
            (tmp_path / "runs" / "second" / "eval" / "test" / "metrics.json").read_text()
        )["threshold"]
        compare(page.run(READ), tables[1], start, 0.02)

        names = "[...document.querySelectorAll('tbody th')].slice(0, 3).map((c) => c.textContent)"
        head = "document.querySelectorAll('table[data-sortable] th[scope=col]')[2]"
        assert page.run(names) == ["first", "second", "always benign"]
        page.run(f"{head}.querySelector('button').focus()")
        page.press("Enter", text="\r")
        assert page.run(f"{head}.getAttribute('aria-sort')") == "descending"
        assert page.run(names) == ["first", "second", "always benign"]
        page.press("Enter", text="\r")
        assert page.run(f"{head}.getAttribute('aria-sort')") == "ascending"
        assert page.run(names) == ["always benign", "second", "first"]

        for path in (overview, model):
            for width in (360, 1600):
                page.open(path, width=width)
                assert page.run("document.documentElement.scrollWidth") <= width
        page.run(typed("threshold", "1"))
        cut = page.run("Number(document.querySelector('line.cut[data-cut]').getAttribute('x1'))")
        ends = page.run("document.querySelector('line.cut[data-cut]').dataset.cut")
        assert cut == pytest.approx(float(ends.split()[1]))

        assert page.complaints == []
        assert {url.partition(":")[0] for url in page.requests} <= {"file", "data"}
