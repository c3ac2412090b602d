"""Make the tables of a protected benchmark that ship with the package.

python benchmarks/protected_tables.py ISIC2017_FOLDER     # the challenge's own layout
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from skinlesion.data import protected
from skinlesion.data.duplicates import signature
from skinlesion.data.images import decode
from skinlesion.data.shards import SIGNED_SIZE
from skinlesion.data.sources import read_source
from skinlesion.tables import write_rows

NAME = "isic2017-test"


def main() -> None:
    folder = Path(protected.__file__).parent
    source = read_source(Path(sys.argv[1]))
    records = sorted(record for record in source.records if record.split == NAME)
    write_rows(folder / f"{NAME}.csv", ["image_id"], [(record.image_id,) for record in records])
    signatures = [signature(decode(source.root / record.path, SIGNED_SIZE)) for record in records]
    np.savez_compressed(folder / f"{NAME}.npz", signature=np.stack(signatures))
    print(f"{NAME}: {len(records)} images, {(folder / f'{NAME}.npz').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
