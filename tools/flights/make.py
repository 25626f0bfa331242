#!/usr/bin/env python3
"""Makes examples/data/flights.csv.zst from the flights table of the npm package vega-datasets.

    python3 -m pip install pyarrow==26.0.1
    python3 tools/flights/make.py

Needs npm on the path to obtain the package, or --package with a tarball that
is already here. The package version and the SHA-256 of its table are pinned:
another table stops the script instead of quietly changing the demonstration.
"""

import argparse
import hashlib
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import pyarrow
import pyarrow.parquet

PACKAGE = "vega-datasets@3.2.1"
MEMBER = "package/data/flights-3m.parquet"
SOURCE_SHA256 = "dbeb920c90f59b6ccaff823dcc3d08f25a97fa1ce128d93f40be4e931f5900b0"
COLUMNS = ["date", "delay", "distance", "origin", "destination"]
ROWS = 250_000
ZSTD_LEVEL = 19


def fetch(directory: pathlib.Path) -> pathlib.Path:
    """Packs the pinned package into directory and returns the tarball."""
    done = subprocess.run(
        ["npm", "pack", PACKAGE, "--silent"],
        cwd=directory, check=True, stdout=subprocess.PIPE, text=True,
    )
    return directory / done.stdout.split()[-1]


def extract(tarball: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Takes the table out of the tarball and checks that it is the pinned one."""
    with tarfile.open(tarball) as archive:
        table = archive.extractfile(MEMBER).read()
    found = hashlib.sha256(table).hexdigest()
    if found != SOURCE_SHA256:
        sys.exit(f"{MEMBER}: SHA-256 is {found}, expected {SOURCE_SHA256}")
    path = directory / "flights.parquet"
    path.write_bytes(table)
    return path


def csv_of(path: pathlib.Path) -> bytes:
    """Returns the first ROWS rows, which the source holds in order of departure."""
    table = pyarrow.parquet.read_table(path, columns=COLUMNS).slice(0, ROWS)
    lines = [",".join(COLUMNS)]
    before = None
    for row in table.to_pylist():
        date = row["date"]
        if before is not None and date < before:
            sys.exit(f"{path}: rows are not in order of departure at {date}")
        before = date
        lines.append(
            f"{date.isoformat(timespec='minutes')},{row['delay']},{row['distance']},"
            f"{row['origin']},{row['destination']}"
        )
    return ("\n".join(lines) + "\n").encode()


def main() -> None:
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=pathlib.Path, help=f"a tarball of {PACKAGE}")
    parser.add_argument("--out", type=pathlib.Path, default=root / "examples/data/flights.csv.zst")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        tarball = options.package or fetch(directory)
        text = csv_of(extract(tarball, directory))
    codec = pyarrow.Codec("zstd", compression_level=ZSTD_LEVEL)
    options.out.write_bytes(codec.compress(text, asbytes=True))
    print(f"{options.out}: {ROWS} rows, {len(text)} bytes of CSV, "
          f"{options.out.stat().st_size} compressed")
    print(f"SHA-256 of the CSV: {hashlib.sha256(text).hexdigest()}")


if __name__ == "__main__":
    main()
