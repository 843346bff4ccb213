"""Where templates come from, what themes may replace, and that text stays text."""

from __future__ import annotations

import logging

import pytest
from jinja2 import TemplateNotFound, UndefinedError
from markupsafe import Markup

from core.theming import Slots, UnknownSlot, build_environment
from core.theming.renderer import HiddenName


@pytest.fixture
def build(owners, themes):
    def build(strict=True, **names):
        return build_environment(
            template_folders=owners, themes=themes, globals=names, strict=strict
        )

    return build


@pytest.fixture
def render(build):
    renderer = build()
    return lambda template, theme="default", **context: renderer.render(template, context, theme)


def test_template_comes_from_its_owner(render):
    assert render("core/page.html") == "core page"
    assert render("crm/board.html") == "crm board"


def test_nearest_theme_wins_and_unknown_theme_is_default(render, write_files):
    write_files(
        {
            "themes/default/templates/core/page.html": "default page",
            "themes/acme/templates/core/page.html": "acme page",
        }
    )
    assert render("core/page.html", "shop") == "acme page"
    assert render("core/page.html", "default") == "default page"
    assert render("core/page.html", "gone") == "default page"


def test_base_prefix_reaches_the_original_past_all_themes(render, write_files):
    extending = '{% extends "base!crm/board.html" %}{% block body %}[{{ super() }}]{% endblock %}'
    write_files(
        {
            "themes/default/templates/crm/board.html": "default board",
            "themes/acme/templates/crm/board.html": extending,
        }
    )
    assert render("crm/board.html", "acme") == "[crm board]"
    assert render("base!crm/board.html", "acme") == "crm board"


def test_themes_do_not_leak_into_each_other(render, write_files):
    write_files({"themes/acme/templates/core/page.html": "acme {{ theme.name }}"})
    assert render("core/page.html", "acme") == "acme acme"
    assert render("core/page.html", "default") == "core page"
    assert render("core/page.html", "acme") == "acme acme"
    assert render("core/page.html", "shop") == "acme shop"


def test_owner_serves_only_names_below_its_own_folder(render, write_files):
    write_files({"plugins/crm/templates/core/page.html": "hijacked"})
    assert render("core/page.html") == "core page"


@pytest.mark.parametrize(
    "name", ["core/../../secret.html", "../secret.html", "other/x.html", "base!themes/x.html"]
)
def test_names_outside_are_not_found(render, write_files, name):
    write_files({"core/secret.html": "secret", "secret.html": "secret"})
    with pytest.raises(TemplateNotFound):
        render(name)


def test_text_is_escaped_and_none_is_blank(render, write_files):
    write_files({"core/templates/core/page.html": "{{ text }}|{{ nothing }}"})
    assert render("core/page.html", text="<b>", nothing=None) == "&lt;b&gt;|"


def test_text_is_escaped_whatever_the_file_is_called(render, write_files):
    write_files({"core/templates/core/mail.txt": "{{ text }}"})
    assert render("core/mail.txt", text="<b>") == "&lt;b&gt;"


def test_undefined_is_an_error_only_when_strict(build, write_files):
    write_files({"core/templates/core/page.html": "[{{ missing }}]"})
    with pytest.raises(UndefinedError):
        build(strict=True).render("core/page.html", {}, "default")
    assert build(strict=False).render("core/page.html", {}, "default") == "[]"


def test_a_page_that_hides_what_every_page_has_is_an_error_when_strict(build, write_files):
    """By the base page's own names and by those of all templates; what is given on purpose is not hidden."""
    write_files({"core/templates/core/page.html": "{{ company }} {{ title }}"})
    given = {"company": "Acme"}
    for own, name in (({"company": "x", "title": "y"}, "company"), ({"theme": "x"}, "theme")):
        with pytest.raises(HiddenName, match=rf"core/page\.html: {name} would hide"):
            build().render("core/page.html", own, "default", given=given)
    shown = build().render("core/page.html", {"title": "y"}, "default", given=given)
    assert shown == "Acme y"
    lenient = build(strict=False).render(
        "core/page.html", {"company": "x", "title": "y"}, "default", given=given
    )
    assert lenient == "x y"


def test_what_a_mapping_lacks_is_empty_even_when_strict(build, write_files):
    """A form gives the errors of those fields that have some."""
    write_files(
        {
            "core/templates/core/page.html": "[{{ errors.name }}{% if errors['age'] %}old{% endif %}"
            "{% for each in errors.all %}{{ each }}{% endfor %}]"
        }
    )
    strict = build(strict=True)
    assert strict.render("core/page.html", {"errors": {}}, "default") == "[]"
    assert strict.render("core/page.html", {"errors": {"name": "short"}}, "default") == "[short]"
    with pytest.raises(UndefinedError):
        strict.render("core/page.html", {}, "default")


def test_changed_file_is_read_again_when_strict(render, write_files, tree):
    import os

    assert render("core/page.html") == "core page"
    write_files({"core/templates/core/page.html": "new page"})
    os.utime(tree / "core/templates/core/page.html", ns=(1, 1))
    assert render("core/page.html") == "new page"


def test_explaining_names_each_place_that_was_tried(monkeypatch, build, caplog, tree):
    monkeypatch.setenv("DOUGONG_EXPLAIN_TEMPLATES", "1")
    renderer = build()
    with caplog.at_level(logging.INFO, logger="core.theming"):
        renderer.render("core/page.html", {}, "acme")
    (line,) = caplog.messages
    places = [tree / "themes/acme", tree / "themes/default", tree / "core"]
    positions = [line.index(f"{place}/templates/core/page.html") for place in places]
    assert positions == sorted(positions)


def test_templates_are_not_explained_unless_asked(build, caplog):
    with caplog.at_level(logging.INFO, logger="core.theming"):
        build().render("core/page.html", {}, "acme")
    assert not caplog.messages


def test_list_of_templates_covers_owners_and_themes(build, write_files):
    write_files({"themes/acme/templates/crm/extra.html": "x"})
    names = build().environment("acme").list_templates()
    assert names == ["core/page.html", "crm/board.html", "crm/extra.html"]


def test_slot_without_declaration_is_an_error(build, write_files):
    write_files({"core/templates/core/page.html": '{{ slot("crm.lead.aside") }}'})
    with pytest.raises(UnknownSlot, match=r"crm\.lead\.aside"):
        build().render("core/page.html", {}, "default")


def test_slot_shows_fillings_in_order_and_escapes_plain_text(build, write_files):
    write_files({"core/templates/core/page.html": '{{ slot("crm.lead.aside", record=7) }}'})
    slots = Slots(["crm.lead.aside"])
    slots.fill("crm.lead.aside", lambda record: f"<{record}>", owner="b")
    slots.fill("crm.lead.aside", lambda record: Markup("<i>first</i>"), owner="a", order=1)
    shown = build(slot=slots).render("core/page.html", {}, "default")
    assert shown == "<i>first</i>&lt;7&gt;"


def test_macros_can_be_called_from_python(build, write_files):
    macro = "{% macro mark(text) %}<b>{{ text }}</b>{% endmacro %}"
    write_files({"core/templates/core/page.html": macro})
    marked = build().macros("core/page.html", "acme").mark("<x>")
    assert marked == Markup("<b>&lt;x&gt;</b>")
