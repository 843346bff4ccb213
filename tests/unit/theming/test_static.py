"""Static files: only what lies in a folder, under an address that follows the content."""

from __future__ import annotations

import hashlib

import pytest

from core.theming import StaticFiles


@pytest.fixture
def static(tree, themes):
    folders = {"core": tree / "core/static", "crm": tree / "plugins/crm/static"}
    return StaticFiles(folders, themes)


def test_path_leads_to_the_file_of_its_owner(static, tree):
    assert static.resolve("core/app.css") == tree / "core/static/core/app.css"
    assert static.resolve("crm/board.js") == tree / "plugins/crm/static/crm/board.js"


def test_theme_file_comes_from_the_theme_or_its_parents(static, tree):
    assert static.resolve("themes/shop/tokens.css") == tree / "themes/acme/static/tokens.css"
    dark = tree / "themes/default/static/tokens.dark.css"
    assert static.resolve("themes/shop/tokens.dark.css") == dark


@pytest.mark.parametrize(
    "path",
    [
        "",
        "core",
        "core/",
        "core/missing.css",
        "other/app.css",
        "core/../secret.txt",
        "core/../../secret.txt",
        "core/./app.css",
        "core//app.css",
        "/core/app.css",
        "core/..\\secret.txt",
        "core/app.css\0.png",
        "themes/acme/../../secret.txt",
        "themes/../secret.txt",
        "themes/unknown/tokens.css",
        "themes/acme",
        "themes/acme/theme.cfg",
    ],
)
def test_nothing_else_is_served(static, write_files, path):
    write_files({"secret.txt": "s", "core/static/secret.txt": "s", "themes/secret.txt": "s"})
    assert static.resolve(path) is None


def test_link_out_of_the_folder_is_not_followed(static, tree, write_files):
    write_files({"secret.txt": "s"})
    (tree / "core/static/core/link.txt").symlink_to(tree / "secret.txt")
    assert static.resolve("core/link.txt") is None


def test_address_carries_the_hash_of_the_content(static):
    digest = hashlib.sha256(b"body {}").hexdigest()[:12]
    assert static.url("core/app.css") == f"/static/core/app.css?v={digest}"


def test_address_follows_a_change_only_when_watching(tree, themes, write_files):
    folders = {"core": tree / "core/static"}
    kept, watching = StaticFiles(folders, themes), StaticFiles(folders, themes, watch=True)
    before = kept.url("core/app.css"), watching.url("core/app.css")
    write_files({"core/static/core/app.css": "changed"})
    assert kept.url("core/app.css") == before[0]
    assert watching.url("core/app.css") != before[1]


def test_address_of_a_missing_file_is_an_error(static):
    with pytest.raises(FileNotFoundError, match=r"core/gone\.css"):
        static.url("core/gone.css")


def test_only_the_present_version_is_kept_for_good(static):
    version = static.version("core/app.css")
    assert "immutable" in static.headers("core/app.css", version)["Cache-Control"]
    for other in (None, "", "000000000000"):
        headers = static.headers("core/app.css", other)
        assert headers["Cache-Control"] == "no-cache"
        assert headers["ETag"] == f'"{version}"'


def test_types_do_not_depend_on_the_machine(static):
    assert static.headers("core/app.css", None)["Content-Type"] == "text/css; charset=utf-8"
    assert static.headers("crm/board.js", None)["Content-Type"] == "text/javascript; charset=utf-8"
