"""Every hook is documented as it is, exercised by a test of its name, and implemented by the dummy."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from core.plugins import answers, hookspecs

ROOT = Path(__file__).resolve().parents[2]
HOOKS = hookspecs.hook_names()


def load_docs_tool():
    spec = importlib.util.spec_from_file_location("dougong_docs_tool", ROOT / "tools/docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_pages_are_what_the_code_says():
    assert load_docs_tool().main(["--check"]) == 0, "run tools/docs.py"


def test_the_check_notices_a_changed_signature(tmp_path, monkeypatch):
    tool = load_docs_tool()
    changed = tmp_path / "hookspecs.py"
    source = tool.SOURCE.read_text(encoding="utf-8")
    changed.write_text(source.replace("def app_ready(app: Flask)", "def app_ready(app: Any)"))
    monkeypatch.setattr(tool, "SOURCE", changed)
    assert tool.main(["--check"]) == 1


def test_the_check_notices_a_changed_function(tmp_path, monkeypatch):
    tool = load_docs_tool()
    stale = tmp_path / "expressions.md"
    stale.write_text(tool.formulas_page().replace("WORKDAY(", "WORKING("), encoding="utf-8")
    monkeypatch.setattr(tool, "FORMULAS", stale)
    assert tool.main(["--check"]) == 1


def test_a_docstring_without_one_of_its_parts_is_refused():
    tool = load_docs_tool()
    with pytest.raises(ValueError, match="Errors"):
        tool.parts_of("Does it.\n\nWhen: always.\nReturn: x.\nExample: y.\nSince: 0.1")


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_a_test_of_its_name(hook):
    assert f"test_hook_{hook}" in functions_of(Path(__file__).with_name("test_hooks.py"))


@pytest.mark.parametrize("hook", HOOKS)
def test_the_dummy_implements_each_hook(hook):
    assert hook in functions_of(ROOT / "tests/dummy_plugin/plugin.py")


def test_what_each_hook_may_return_is_known():
    nothing = {
        hook for hook in HOOKS if getattr(hookspecs, hook).__annotations__["return"] == "None"
    }
    assert set(HOOKS) - nothing == {*answers.ITEMS, *answers.VALUES}


def test_there_are_not_too_many_hooks():
    """More than about 40 would mean that internals are exposed (STYLE 5)."""
    assert len(HOOKS) <= 40
