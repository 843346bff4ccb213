"""Every text that a reader can meet is there in every language."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _tool():
    spec = importlib.util.spec_from_file_location("messages_tool", ROOT / "tools" / "messages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_message_is_translated():
    found = list(_tool().all_problems())
    assert not found, "run tools/messages.py, then translate:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "not translated"), ("%(m)s Zeilen", "other placeholders")],
)
def test_a_missing_or_broken_translation_is_noticed(text, complaint):
    from babel.messages.catalog import Catalog

    wanted, found = Catalog(), Catalog()
    wanted.add("%(n)s rows of it")
    found.add("%(n)s rows of it", text)
    assert complaint in "".join(_tool().problems("x", wanted, found))
    found = Catalog()
    found.add("%(n)s rows of it", "%(n)s 行")
    assert not list(_tool().problems("x", wanted, found))


def test_one_message_has_one_translation():
    from babel.messages.catalog import Catalog

    first, second, texts = Catalog(), Catalog(), _tool().Texts()
    first.add("Ended", "已结束")
    second.add("Ended", "结束时间")
    assert not list(texts.differing("a", "zh_CN", first))
    assert "a says it otherwise" in "".join(texts.differing("b", "zh_CN", second))
    assert not list(texts.differing("b", "de", second))
