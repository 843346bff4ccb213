"""P4: what cannot work together is refused with the reason, before any code of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.plugins.discovery import discover, load_order
from core.plugins.manifest import ManifestError, read_manifest


def write(folder: Path, place: str, **values: str) -> Path:
    target = folder / place
    target.mkdir(parents=True)
    lines = {"name": place, "title": place, "version": "1.0", **values}
    text = "[plugin]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if value)
    (target / "plugin.cfg").write_text(text, encoding="utf-8")
    return target


def order(*folders: Path, core: str = "1.4"):
    found = discover([(folder, "") for folder in folders], entry_point_group="no.such.group")
    loaded, refused = load_order(found.manifests, core_version=core)
    return [manifest.name for manifest in loaded], found.held_back | refused


def test_dependencies_come_first(tmp_path):
    write(tmp_path, "aa", depends="cc, bb")
    write(tmp_path, "bb", optional="cc missing")
    write(tmp_path, "cc")
    assert order(tmp_path) == (["cc", "bb", "aa"], {})


def test_a_missing_dependency_holds_back_what_needs_it_and_no_more(tmp_path):
    write(tmp_path, "aa", depends="bb")
    write(tmp_path, "bb", depends="nowhere")
    write(tmp_path, "cc")
    loaded, refused = order(tmp_path)
    assert loaded == ["cc"]
    assert refused == {
        "bb": "needs the plugin nowhere, which is not installed",
        "aa": "needs the plugin bb, which is held back",
    }


def test_a_circle_is_named(tmp_path):
    write(tmp_path, "aa", depends="bb")
    write(tmp_path, "bb", depends="cc")
    write(tmp_path, "cc", depends="aa")
    write(tmp_path, "dd", depends="cc")
    loaded, refused = order(tmp_path)
    assert loaded == []
    assert refused["aa"] == "depends on itself: aa → bb → cc → aa"
    assert set(refused) == {"aa", "bb", "cc", "dd"}


def test_optional_plugins_may_want_each_other(tmp_path):
    write(tmp_path, "aa", optional="bb")
    write(tmp_path, "bb", optional="aa")
    loaded, refused = order(tmp_path)
    assert (sorted(loaded), refused) == (["aa", "bb"], {})


@pytest.mark.parametrize(
    ("wanted", "core", "loads"),
    [
        (">=1.0,<2", "1.4", True),
        (">=1.0,<2", "2.0", False),
        (">=1.0,<2", "1.9.dev1", True),
        ("", "7.0", True),
    ],
)
def test_the_version_of_the_core(tmp_path, wanted, core, loads):
    write(tmp_path, "aa", core=wanted)
    loaded, refused = order(tmp_path, core=core)
    assert bool(loaded) is loads
    assert loads or f"this is {core}" in refused["aa"]


def test_the_first_of_two_plugins_of_one_name_stays(tmp_path):
    write(tmp_path / "one", "aa", title="First")
    write(tmp_path / "two", "aa", title="Second")
    found = discover([(tmp_path / "one", ""), (tmp_path / "two", "")], entry_point_group="none")
    assert found.manifests["aa"].title == "First"
    assert list(found.held_back.values()) == ["another plugin named aa is installed already"]


def test_the_same_folder_found_twice_is_one_plugin(tmp_path):
    write(tmp_path, "aa")
    assert order(tmp_path, tmp_path) == (["aa"], {})


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"name": "Bad-Name"}, "name must match"),
        ({"name": "other"}, "name must be the folder's name"),
        ({"title": ""}, "title is missing"),
        ({"version": "one"}, "version"),
        ({"core": "about 1"}, "core"),
        ({"colour": "red"}, "unknown key colour"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(tmp_path, values, reason):
    folder = write(tmp_path, "aa", **values)
    with pytest.raises(ManifestError, match=reason):
        read_manifest(folder, "aa")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"name = x", b"[plugin]\n[plugin]\n"])
def test_a_broken_manifest_is_held_back(tmp_path, content):
    (tmp_path / "aa").mkdir()
    (tmp_path / "aa/plugin.cfg").write_bytes(content)
    loaded, refused = order(tmp_path)
    assert loaded == []
    assert "aa/plugin.cfg" in refused["aa"]


def test_texts_in_the_readers_language(tmp_path):
    folder = write(tmp_path, "aa", title="Leads", title_zh_cn="线索")
    manifest = read_manifest(folder, "aa")
    assert (manifest.text("title", "zh_CN"), manifest.text("title", "en")) == ("线索", "Leads")
    assert manifest.text("summary", "zh_CN") == ""
