"""Functions of the browser page, called under node with arrays and JSON."""

import json
import shutil
import subprocess
from importlib import resources

import numpy as np

PAGE = resources.files("skinlesion.export.browser") / "page"
# Typed arrays travel as {"$bytes": [...]} or {"$floats": [...]}; everything else as JSON.
RUN = """
import fs from "node:fs";
const revive = (_, value) => {
  if (value?.$bytes) return Uint8Array.from(value.$bytes);
  return value?.$floats ? Float64Array.from(value.$floats) : value;
};
const replace = (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
const {module, script, values} = JSON.parse(fs.readFileSync(0, "utf8"), revive);
const page = await import(module);
const result = new Function("page", "values", script)(page, values);
process.stdout.write(JSON.stringify(result, replace));
"""


def program():
    """The path of node; None if there is none."""
    return shutil.which("node")


class Page:
    """The page's modules in ``folder``, where node takes them for modules."""

    def __init__(self, folder):
        self._folder = folder
        for item in PAGE.iterdir():
            if item.name.endswith(".js"):
                (folder / item.name).write_bytes(item.read_bytes())
        (folder / "package.json").write_text('{"type": "module"}')

    def run(self, module, script, **values):
        """What ``script``, the body of a function of ``page`` and ``values``, returns."""
        request = {
            "module": (self._folder / f"{module}.js").as_uri(),
            "script": script,
            "values": values,
        }
        done = subprocess.run(
            [program(), "--input-type=module", "-e", RUN],
            input=json.dumps(request, default=_encoded),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def picture(pixels):
    """RGB pixels, shape (h, w, 3), uint8, as the page's pictures."""
    return {"data": pixels.ravel(), "width": pixels.shape[1], "height": pixels.shape[0]}


def _encoded(value):
    if isinstance(value, bytes):
        return {"$bytes": list(value)}
    assert isinstance(value, np.ndarray), value
    return {"$bytes" if value.dtype == np.uint8 else "$floats": value.ravel().tolist()}
