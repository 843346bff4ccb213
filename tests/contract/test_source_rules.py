"""Our own source keeps to the rules of source_rules.py, and each rule is proven to work."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load_rules() -> ModuleType:
    """The neighbouring module, wherever pytest was started."""
    name = "dougong_source_rules"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("source_rules.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


source_rules = _load_rules()
ROOT = Path(__file__).parents[2]
BAD = [(rule.name, sample) for rule in source_rules.RULES for sample in rule.bad]
GOOD = [(rule.name, sample) for rule in source_rules.RULES for sample in rule.good]


@pytest.fixture(scope="module")
def findings() -> list:
    return source_rules.check_tree(ROOT)


def test_the_source_keeps_the_rules(findings):
    """I1, I9, I11, I15: nothing is found that no allowance explains."""
    allowed = {(entry.path, entry.rule) for entry in source_rules.ALLOWED}
    left = [str(f) for f in findings if (f.path, f.rule) not in allowed]
    assert not left, "\n" + "\n".join(left)


@pytest.mark.parametrize("entry", source_rules.ALLOWED, ids=lambda e: f"{e.path}-{e.rule}")
def test_each_allowance_is_needed_and_reasoned(entry, findings):
    assert (entry.path, entry.rule) in {(f.path, f.rule) for f in findings}
    assert len(entry.reason.split()) >= 5


@pytest.mark.parametrize(("rule", "sample"), BAD)
def test_a_bad_sample_is_caught(rule, sample):
    assert rule in {f.rule for f in source_rules.check_source(sample)}


@pytest.mark.parametrize(("rule", "sample"), GOOD)
def test_a_good_sample_passes(rule, sample):
    assert rule not in {f.rule for f in source_rules.check_source(sample)}


def test_each_rule_has_both_kinds_of_sample():
    assert [r.name for r in source_rules.RULES if not (r.bad and r.good)] == []
    assert len({r.name for r in source_rules.RULES}) == len(source_rules.RULES)


@pytest.mark.parametrize(
    "rule", [r for r in source_rules.RULES if r.homes], ids=lambda rule: rule.name
)
def test_a_rule_does_not_hold_at_home(rule):
    for home in rule.homes:
        path = f"{home}inner.py" if home.endswith("/") else home
        found = source_rules.check_source(rule.bad[0], path)
        assert rule.name not in {f.rule for f in found}
    assert rule.name in {
        f.rule for f in source_rules.check_source(rule.bad[0], "core/elsewhere.py")
    }


def test_a_finding_reads_like_a_compiler_message():
    found = source_rules.check_source("x = 1\neval(x)\n", "core/a.py")
    assert [str(f).split(": ")[:2] for f in found] == [["core/a.py:2", "dynamic-code"]]


def test_plugins_are_read_and_their_tests_are_not(tmp_path):
    for path in ("plugins/a/views.py", "plugins/a/tests/test_a.py", "core/tests_of_ours.py"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("import pickle\n")
    found = {f.path for f in source_rules.check_tree(tmp_path)}
    assert found == {"plugins/a/views.py", "core/tests_of_ours.py"}
