"""A default theme, a child and a grandchild in a temporary folder, and templates to override."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.theming import ThemeRegistry


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def write_files(tmp_path):
    return lambda files: write(tmp_path, files)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "themes/default/theme.cfg": "[theme]\nname = default\ntitle = Plain",
            "themes/default/static/tokens.css": "default",
            "themes/default/static/tokens.dark.css": "default dark",
            "themes/acme/theme.cfg": "[theme]\nname = acme\nparent = default",
            "themes/acme/static/tokens.css": "acme",
            "themes/shop/theme.cfg": "[theme]\nname = shop\nparent = acme",
            "core/templates/core/page.html": "core page",
            "core/static/core/app.css": "body {}",
            "plugins/crm/templates/crm/board.html": "{% block body %}crm board{% endblock %}",
            "plugins/crm/static/crm/board.js": "1",
        },
    )
    return tmp_path


@pytest.fixture
def owners(tree: Path) -> dict[str, Path]:
    return {"core": tree / "core/templates", "crm": tree / "plugins/crm/templates"}


@pytest.fixture
def themes(tree: Path) -> ThemeRegistry:
    return ThemeRegistry([tree / "themes"])
