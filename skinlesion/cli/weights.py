"""weights list, fetch, verify and import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skinlesion.cli.options import AsJson, reporter

app = typer.Typer(no_args_is_help=True, help="List, fetch, check or import pretrained weights.")

Backbones = Annotated[
    list[str] | None, typer.Argument(help="efficientnetb0, resnet50, ...; none: all.")
]


@app.command("list")
def weights_list(as_json: AsJson = False) -> None:
    """Which ImageNet weights are here, and where the others come from."""
    import json

    from skinlesion.pretrained import inventory

    rows = inventory()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        size = f"{row['bytes'] / 1e6:.0f} MB" if row.get("bytes") else ""
        print(f"{row['backbone']:<20}{row['state']:<9}{size:>7}  {row['weights']}")
        if row["state"] in ("missing", "damaged"):
            print(f"{'':<38}{row['from']}")


@app.command("fetch")
def weights_fetch(backbones: Backbones = None) -> None:
    """Download Keras's ImageNet files into its folder, checked."""
    from skinlesion.commands import weights as module

    for line in module.fetch(backbones or [], reporter=reporter()):
        print(line)


@app.command("verify")
def weights_verify(backbones: Backbones = None) -> None:
    """Check the files against their sums; exit 4 if one is damaged."""
    from skinlesion.commands import weights as module

    for backbone, state in module.verify(backbones or []).items():
        print(f"{backbone}: {state}")


@app.command("import")
def weights_import(
    file: Annotated[Path, typer.Argument(help="A .h5, .weights.h5 or .keras file of Keras.")],
    backbone: Annotated[str, typer.Option("--backbone", help="Whose layers it has.")],
    out: Annotated[Path, typer.Option("--out", help="File to write: NAME.weights.h5.")],
    min_match: Annotated[
        float,
        typer.Option(
            "--min-match", min=0, max=1, help="Least fraction of parameters that must match."
        ),
    ] = 0.9,
    as_json: AsJson = False,
) -> None:
    """Copy weights of another program by layer name and shape; say what did not match."""
    import json

    from skinlesion.commands import weights as module

    report = module.import_(file, backbone, out, min_match=min_match)
    if as_json:
        print(json.dumps(report, indent=2))
        return
    print(f"wrote {out}: {report['fraction']:.1%} of the parameters of {backbone}")
    for name, what in (
        ("copied", "copied"),
        ("misshapen", "of another shape"),
        ("missing", "not in the file, left at random"),
        ("unknown", "in the file, not in the network"),
    ):
        found = report[name]
        examples = f": {', '.join(found[:5])}" if found and name != "copied" else ""
        more = " ..." if len(found) > 5 and examples else ""
        print(f"  {len(found)} weights {what}{examples}{more}")
    print(
        f"  use it: --set model.weights={out} --set model.backbone={backbone}"
        f" --set model.image_size={report['image_size']}"
    )
