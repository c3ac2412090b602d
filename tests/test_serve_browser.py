"""The page in a real browser: pictures in, answers out, by mouse and keyboard, nothing fetched."""

import csv
import json

import pytest
from browser import chromium, program
from web_fixtures import FakeModel, picture, probability_of, serving

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(program() is None, reason="no chromium on the PATH"),
]
READY = "document.documentElement.dataset.ready === 'yes'"
MAPPED = "!document.getElementById('layer').hidden && document.getElementById('layer').complete"
TOKEN = "correct-horse-battery"
# A file as it is dropped or pasted.
HANDED = """(async (kind) => {{
  const canvas = Object.assign(document.createElement('canvas'), {{width: 40, height: 30}});
  canvas.getContext('2d').fillRect(0, 0, 20, 30);
  const blob = await new Promise((done) => canvas.toBlob(done));
  const data = new DataTransfer();
  data.items.add(new File([blob], kind + '.png', {{type: 'image/png'}}));
  const event = kind === 'drop'
    ? new DragEvent('drop', {{dataTransfer: data, bubbles: true, cancelable: true}})
    : new ClipboardEvent('paste', {{clipboardData: data, bubbles: true}});
  document.getElementById('drop').dispatchEvent(event);
  return true;
}})({kind})"""


def text(element):
    return f"document.getElementById({json.dumps(element)}).textContent"


def has(element, part):
    return f"{text(element)}.includes({json.dumps(part)})"


@pytest.fixture
def files(tmp_path):
    """Three pictures and a text."""
    paths = []
    for shade, kind in ((1, "PNG"), (2, "JPEG"), (3, "TIFF")):
        paths.append(tmp_path / f"lesion-{shade}.{kind.lower()}")
        paths[-1].write_bytes(picture(shade, kind=kind))
    (tmp_path / "notes.jpg").write_text("no picture")
    return [*paths, tmp_path / "notes.jpg"]


def shown(path):
    return f"{100 * probability_of(path.read_bytes()):.1f} %"


def test_the_page_in_a_browser(files, tmp_path):
    with serving() as client, chromium(tmp_path / "profile") as page:
        page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "d"))
        page.open(f"{client.url}/", width=1280, height=900)
        page.wait_for(READY)
        assert "not a medical device" in page.run("document.querySelector('[role=note]').innerText")
        assert "drawn" in page.run(text("card"))

        # One picture: its answer, and its map over it.
        page.choose("#files", files[:1])
        page.wait_for(MAPPED)
        assert page.run(text("probability")) == shown(files[0])
        assert "224" in page.run(text("flags"))
        assert "not a confidence interval" in page.run(text("facts"))
        page.run("document.getElementById('opacity').focus()")
        page.press("ArrowRight")
        assert page.run("document.getElementById('layer').style.opacity") == "0.65"
        assert page.run(f"getComputedStyle({BASE}).width === getComputedStyle({LAYER}).width")

        # Many: a row each, a broken one with its reason; a TIFF is shown as the model sees it.
        page.choose("#files", files[1:])
        page.wait_for("document.getElementById('progress').value === 4")
        rows = page.run("[...document.querySelectorAll('#rows tr')].map((r) => r.innerText)")
        assert [shown(path) in row for path, row in zip(files, rows, strict=True)] == [True] * 3 + [
            False
        ]
        assert "not a readable image" in rows[3]
        page.run("document.querySelectorAll('#rows button')[2].click()")
        page.wait_for(
            f"{MAPPED} && {has('result-title', files[2].name)} && {BASE}.naturalWidth === 32"
        )
        assert page.run("document.activeElement.id") == "result-title"

        # Another operating point changes what is called malignant, not the probability.
        page.run(
            "(() => { const p = document.getElementById('point'); p.value = 'fixed-0.50';"
            " p.dispatchEvent(new Event('change')); })()"
        )
        called = ["benign", "malignant"][probability_of(files[2].read_bytes()) >= 0.5]
        assert page.run(text("decision")) == called
        page.run("document.getElementById('save').click()")
        saved = tmp_path / "d" / "skinlesion.csv"
        page.wait_for(f"{has('status', 'Saved')}")
        while not saved.exists() or not saved.read_text().endswith("\n"):
            page.run("0")
        lines = list(csv.DictReader(saved.read_text().splitlines()))
        answers = client.post(
            "/api/predict?threshold=fixed-0.50&format=csv",
            *[(path.name, path.read_bytes()) for path in files],
        )
        assert lines == list(csv.DictReader(answers.text.splitlines()))

        page.run("document.getElementById('clear').click()")
        assert page.run("document.getElementById('result').hidden")
        for kind in ("drop", "paste"):
            page.run(HANDED.format(kind=json.dumps(kind)))
            page.wait_for(f"{has('rows', kind)} && {has('status', 'answered')} || {MAPPED}")
        page.wait_for("document.querySelectorAll('#rows td.right').length === 6")

        check_names(page)
        check_widths(page, client.url, files)
        complaints = [one for one in page.complaints if "422" not in one.get("text", "")]
        assert complaints == []
        assert {url.removeprefix("blob:").startswith(client.url) for url in page.requests} == {True}


NAMED = ("button", "slider", "combobox", "radio", "link", "table")
BASE, LAYER = "document.getElementById('base')", "document.getElementById('layer')"


def check_names(page):
    """Whatever can be used has a name that a screen reader says."""
    named = page.call("Accessibility.getFullAXTree")["nodes"]
    nameless = [
        node["role"]["value"]
        for node in named
        if node.get("role", {}).get("value") in NAMED and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    spoken = page.run("document.getElementById('opacity').ariaValueText")
    assert spoken == page.run(text("opacity-value")) == "65 %"
    notes = "[...document.querySelectorAll('[role=status]')].map((one) => one.id)"
    assert page.run(notes) == ["status", "map-note"]


def check_order(page):
    """Tab goes from top to bottom."""
    order = []
    for _ in range(6):
        page.press("Tab")
        order.append(page.run("document.activeElement.id || document.activeElement.className"))
    assert order == ["skip", "files", "opacity", "", "point", "clear"]


def check_widths(page, url, files):
    for width in (320, 390, 1600):
        page.open(f"{url}/", width=width, dark=width == 390)
        page.wait_for(READY)
        page.choose("#files", files[:2])
        page.wait_for(f"{MAPPED} && document.getElementById('progress').value === 2")
        page.choose("#files", files[3:])
        page.wait_for("document.querySelectorAll('#rows td.bad').length === 1")
        assert page.run("document.documentElement.scrollWidth") <= width
        table = "document.querySelector('#rows').closest('.scroll')"
        assert page.run(f"{table}.scrollWidth <= {table}.clientWidth") or width == 320
        check_order(page)


def test_the_page_asks_for_the_token_and_waits_for_a_busy_server(files, tmp_path):
    model = FakeModel()
    with serving(model, token=TOKEN, queue=1) as client, chromium(tmp_path / "profile") as page:
        page.open(f"{client.url}/")
        for given, is_open in (("wrong", True), (TOKEN, False)):
            page.wait_for("document.getElementById('ask').open")
            page.run(
                f"document.getElementById('token').value = {json.dumps(given)};"
                "document.querySelector('#ask-form button').click()"
            )
            page.wait_for(has("ask-problem", "not the token") if is_open else READY)

        headers = {"Authorization": f"Bearer {TOKEN}"}
        model.gate.clear()
        jobs = [client.api.worker.submit(lambda: model.gate.wait(60)) for _ in range(2)]
        page.choose("#files", files[2:3])
        page.wait_for(has("status", "Trying again"))
        model.gate.set()
        # Browsers do not show TIFF, so it is shown as the model sees it.
        page.wait_for(f"{MAPPED} && {BASE}.naturalWidth === 32")

        assert [job.result(60) for job in jobs] == [True, True]

        # The other map waits likewise.
        model.gate.clear()
        jobs = [client.api.worker.submit(lambda: model.gate.wait(60)) for _ in range(2)]
        page.run("document.querySelector('input[value=against]').click()")
        page.wait_for(has("map-note", "Trying again"))
        model.gate.set()
        page.wait_for(has("map-note", "speaks against"))
        assert [job.result(60) for job in jobs] == [True, True]

        # A second batch can be stopped before its first answer.
        model.gate.clear()
        page.choose("#files", files[:2])
        page.wait_for(has("status", "Asking about"))
        assert page.run("document.getElementById('progress').max") == 3
        page.run("document.getElementById('stop').click()")
        page.wait_for(has("status", "1 of 3 pictures answered"))
        model.gate.set()
        assert client.get("/api/model", headers=headers).status_code == 200
        assert page.run(text("probability")) == shown(files[2])
