#!/usr/bin/env python3
"""Break the security core in many small ways, and see whether the tests notice (Z16).

    .venv/bin/python tools/mutate.py --sample 60 --seed 1

Each mutant is one change to one file in a copy of the tree: a refusal left out, a condition turned
round, a filter of a query forgotten. The tests that guard rights run until the first one fails. Who
survives is printed: either a test is missing, or the change makes no difference.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parent.parent
CORE = (
    *("core/security/*.py", "core/entities/service.py", "core/entities/query.py"),
    *("core/entities/scope*.py", "core/http/requests.py"),
)
#: Quick and telling ones first: most mutants do not live longer.
TESTS = (
    "tests/unit/security",
    *(
        f"tests/security/test_{name}.py"
        for name in (
            *("oracle", "refusals", "core_refuses", "granting", "write_rules", "sharing"),
            *("sharing_edges", "delegation", "impersonation", "session_ends", "second_factor"),
            *("reset", "locks", "password_rules", "every_token", "explain", "routes"),
        )
    ),
    *("tests/api/test_rights.py", "tests/web/test_access.py", "tests/customize/rules"),
)
OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE,
    ast.LtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
#: A mutant that makes a test wait for good is noticed too.
PATIENCE = 300


@dataclass(frozen=True)
class Mutant:
    """The ``number``-th change that can be made to a file."""

    path: str
    number: int
    line: int
    what: str


class Breaker(ast.NodeTransformer):
    """Makes the change of one number, or only counts and names what could be changed."""

    def __init__(self, wanted: int | None = None) -> None:
        self.wanted, self.found = wanted, list[tuple[int, str]]()

    def _chosen(self, node: ast.AST, what: str) -> bool:
        self.found.append((getattr(node, "lineno", 0), what))
        return len(self.found) - 1 == self.wanted

    def visit_If(self, node: ast.If) -> ast.AST:
        """A refusal, or an early end, that does not happen."""
        ends = isinstance(node.body[-1], ast.Raise | ast.Return) and not node.orelse
        if ends and self._chosen(node, "left out: if " + ast.unparse(node.test)):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """The opposite."""
        if len(node.ops) == 1 and self._chosen(node, "turned round: " + ast.unparse(node)):
            node = copy.deepcopy(node)
            node.ops = [OPPOSITE[type(node.ops[0])]()]
        return self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """``and`` for ``or``, and the reverse."""
        if self._chosen(node, "and for or: " + ast.unparse(node)):
            node = copy.deepcopy(node)
            node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A query without one of its filters."""
        function = node.func
        filters = isinstance(function, ast.Attribute) and function.attr in ("where", "filter")
        if filters and self._chosen(node, "not filtered: " + ast.unparse(node)[-120:]):
            assert isinstance(function, ast.Attribute)
            return function.value
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """A check that is not made."""
        call = node.value
        name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        checks = name.rpartition(".")[2].lstrip("_").startswith(("check", "require", "refuse"))
        if checks and self._chosen(node, "not called: " + name):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)


def mutants() -> Iterator[Mutant]:
    """All that there are, file by file."""
    for path in sorted({path for pattern in CORE for path in ROOT.glob(pattern)}):
        breaker = Breaker()
        breaker.visit(ast.parse(path.read_text("utf-8")))
        for number, (line, what) in enumerate(breaker.found):
            yield Mutant(path.relative_to(ROOT).as_posix(), number, line, what)


def survives(mutant: Mutant | None, tree: Path) -> bool:
    """True when no test fails in that copy of the tree."""
    if mutant is None:
        return _tests_pass(tree)
    path = tree / mutant.path
    whole = path.read_text("utf-8")
    changed = ast.fix_missing_locations(Breaker(mutant.number).visit(ast.parse(whole)))
    path.write_text(ast.unparse(changed), "utf-8")
    try:
        return _tests_pass(tree)
    finally:
        path.write_text(whole, "utf-8")


def _tests_pass(tree: Path) -> bool:
    command = [
        *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"),
        *("-m", "not long and not browser and not redis", *TESTS),
    ]
    # The product is that of the copy, whatever is installed; compiled files tell seconds apart only.
    environment = {key: text for key, text in os.environ.items() if "DOUGONG" not in key}
    environment |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"DOUGONG_TEST_PROBES": "1500"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> int:
    """Print each survivor, then the count; 1 when fewer than 95 of 100 were noticed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", type=int, default=60, help="0: all of them")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    found = list(mutants())
    sample = random.Random(chosen.seed).sample(found, chosen.sample or len(found))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.processes) as pool:
        trees: Queue[Path] = Queue()
        for number in range(chosen.processes):
            tree = Path(folder) / str(number) / "main"
            shutil.copytree(
                ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "var")
            )
            trees.put(tree)

        def judge(mutant: Mutant | None) -> bool:
            tree = trees.get()
            try:
                return survives(mutant, tree)
            finally:
                trees.put(tree)

        if not judge(None):
            print("the tests do not pass as they are")
            return 2
        alive = 0
        for mutant, lives in zip(sample, pool.map(judge, sample), strict=True):
            alive += lives
            if lives:
                print(f"alive: {mutant.path}:{mutant.line} {mutant.what}", flush=True)
    noticed = 1 - alive / len(sample)
    print(
        f"seed {chosen.seed}: {len(sample) - alive} of {len(sample)} noticed; {len(found)} in all"
    )
    return 0 if noticed >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
