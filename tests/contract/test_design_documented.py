"""The design system is written down as it is: each component, each token, and a live page of both."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from core.app import create_app
from core.theming import ThemeRegistry
from core.web.components import components

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/design.md").read_text("utf-8")
SOURCE = (ROOT / "core/templates/core/ui.html").read_text("utf-8")
MACROS = re.findall(r"\{% macro ([a-z]\w*)\(", SOURCE)
THEMES = ThemeRegistry([ROOT / "themes"])


def named(pattern):
    """What stands in code marks at the beginning of a row of a table, or anywhere for tokens."""
    return set(re.findall(pattern, PAGE))


def test_each_component_is_named_and_none_that_is_gone():
    rows = re.findall(r"^\| (`[a-z_]+`(?: `[a-z_]+`)*) \|", PAGE, re.M)
    told = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    told -= {theme.name for theme in THEMES}
    assert told == set(MACROS)


def test_each_token_is_named_and_none_that_is_gone():
    tokens = {name for theme in THEMES for name in THEMES.tokens(theme.name)}
    assert named(r"`--([a-z-]+)`") == tokens


def test_each_theme_is_named():
    for theme in THEMES:
        assert f"| `{theme.name}` {theme.title} {theme.title_in('zh_CN')} |" in PAGE


def test_the_live_page_knows_every_component():
    found = components(SOURCE)
    assert [each["name"] for each in found] == MACROS
    assert all(each["text"] and each["signature"] for each in found)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
def test_the_live_page_shows_them_in_every_theme_and_scheme(runtime, monkeypatch, theme, scheme):
    monkeypatch.setattr(runtime, "config", replace(runtime.config, development=True))
    client = create_app(runtime).test_client()
    answer = client.get(f"/dev/components?theme={theme}&scheme={scheme}")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert f'data-scheme="{scheme}"' in page
    for name in MACROS:
        part = page.partition(f'id="{name}"')[2].partition("</section>")[0]
        sample = re.search(r'class="component-sample"[^>]*>(.*)</div>', part, re.S)
        assert sample is not None, name
        assert sample[1].strip() or name == "toast_region", name


@pytest.mark.databases("sqlite")
def test_there_is_no_such_page_but_for_developers(client):
    assert client.get("/dev/components").status_code == 404
