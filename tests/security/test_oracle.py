"""Z1: random people do random things in random organisations; an independent oracle judges."""

from __future__ import annotations

import os

import pytest
from operations import OPERATIONS
from probing import run

SEED = int(os.environ.get("DOUGONG_TEST_SEED", "20261121"))
PROBES = int(os.environ.get("DOUGONG_TEST_PROBES", "6000"))


@pytest.mark.parametrize("probes", [PROBES, pytest.param(100_000, marks=pytest.mark.long)])
def test_nothing_is_shown_or_done_beyond_the_oracle_and_nothing_is_missing(
    runtime, app, database_kind, capsys, probes
):
    """Z1, Z11: rows, fields, labels, counts, orders and effects equal the oracle's.

    20,000 questions on SQLite, and in the long tier 100,000 others; a sixteenth of it on PostgreSQL.
    """
    count = probes if database_kind == "sqlite" else probes // 16
    findings = run(runtime, app, SEED + (probes != PROBES), count)
    with capsys.disabled():
        print(
            f"\nZ1 {database_kind}: seed {findings.seed}, {findings.probes} probes, "
            f"{findings.refused} refused, {len(findings.hits)} operations, "
            f"fewest {min(findings.hits.values(), default=0)}"
        )
    assert findings.differences == []
    assert findings.probes >= count
    assert set(findings.hits) == set(OPERATIONS)
