"""How far the exported page's answers in Chromium are from Python's, and how long both take.

python benchmarks/web_export.py MODEL PAGE FOLDER ...

PAGE is what ``skinlesion export MODEL --format web`` wrote; each FOLDER holds images of one kind.
"""

from __future__ import annotations

import csv
import functools
import io
import sys
import tempfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from skinlesion.api import load_model

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import browser

browser.PATIENCE = 3600  # seconds for a folder
READY = "document.body.dataset.state === 'ready'"
IDLE = "document.body.dataset.busy === undefined"
TABLE = """(() => { const kept = []; const make = URL.createObjectURL;
URL.createObjectURL = (blob) => { kept.push(blob); return make.call(URL, blob); };
document.getElementById('save').click(); URL.createObjectURL = make; return kept[0].text(); })()"""


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a log."""

    def log_message(self, *_):
        """Say nothing."""


def in_browser(page: browser.Page, address: str, files: list[Path]) -> tuple[list[dict], float]:
    page.open(address)
    page.wait_for(READY)
    page.choose("#files", files[:1])  # the first is slower: code is compiled
    page.wait_for(IDLE)
    started = time.perf_counter()
    page.choose("#files", files[1:])
    page.wait_for(IDLE)
    seconds = (time.perf_counter() - started) / max(len(files) - 1, 1)
    return list(csv.DictReader(io.StringIO(page.run(TABLE), newline=""))), seconds


def report(model, page: browser.Page, address: str, folder: Path) -> None:
    files = sorted(path for path in folder.resolve().iterdir() if path.is_file())
    rows, ours = in_browser(page, address, files)
    list(model.predict(files[:1], batch_size=1))
    started = time.perf_counter()
    answers = list(model.predict(files, batch_size=1))
    theirs = (time.perf_counter() - started) / len(files)
    read = [(row, a) for row, a in zip(rows, answers, strict=True) if not (row["error"] or a.error)]
    apart = np.array([abs(float(row["probability"]) - a.probability) for row, a in read])
    decisions = sum(
        (row["decision"], row["refer"]) != (a.decision, "yes" if a.refer else "no")
        for row, a in read
    )
    flags = sum(row["flags"] != ";".join(a.flags) for row, a in read)
    print(
        f"{folder.name}: {len(read)} of {len(files)} images; largest difference {apart.max():.2g},"
        f" mean {apart.mean():.2g}; decisions or referrals that differ {decisions}, flags {flags};"
        f" {1000 * ours:.0f} ms an image in the browser, {1000 * theirs:.0f} ms in Python"
    )


def main() -> None:
    source, folder, *images = map(Path, sys.argv[1:])
    handler = functools.partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    model = load_model(source)
    with tempfile.TemporaryDirectory() as profile, browser.chromium(Path(profile)) as page:
        for one in images:
            report(model, page, f"http://127.0.0.1:{server.server_port}/", one)


if __name__ == "__main__":
    main()
