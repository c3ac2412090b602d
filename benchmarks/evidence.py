"""Time ensemble and evaluate as a user waits for them: six cached members, 600 val and test images.

python benchmarks/evidence.py       # medians of 5 runs, in seconds, for each method
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from startup import median, write_member

from skinlesion.ensemble import COMBINERS

SIZES = {"val": (600, 117), "isic2017-test": (600, 117)}
MEMBERS = 6
ENSEMBLE = ["ensemble", "--members", "runs/member*", "--run", "runs/e", "--overwrite"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for member in range(MEMBERS):
            write_member(work / "runs" / f"member{member}", seed=member, sizes=SIZES)
        slowest = 0.0
        for method in COMBINERS:
            seconds = median(work, [*ENSEMBLE, "--set", f"method={method}"])
            slowest = max(slowest, seconds)
            print(f"ensemble of {MEMBERS}, {method:14} {seconds:.2f} s", flush=True)
        alone = median(work, ["evaluate", "--split", "isic2017-test", "--run", "runs/e"])
        everything = median(work, ["evaluate", "--split", "isic2017-test"])
    print(f"evaluate the ensemble          {alone:.2f} s")
    print(f"evaluate it and its members    {everything:.2f} s")
    print(
        f"slowest ensemble + evaluate it {slowest + alone:.2f} s; all {slowest + everything:.2f} s"
    )


if __name__ == "__main__":
    main()
