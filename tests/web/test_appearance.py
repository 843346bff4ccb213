"""How the pages look: tried before it is saved, saved for everybody at once, and back as delivered."""

from __future__ import annotations

import io
import re
from html import unescape

import pytest
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from core.entities import query
from core.errors import Invalid
from core.files.storage import sniff_media_type
from core.settings.service import put_settings

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
PAGE = "/admin/settings/appearance"


@pytest.fixture
def admin(sign_in):
    return sign_in()


@pytest.fixture
def send(admin):
    """``send(step="save", **changes)``: what the form would send."""

    def send(step="save", **changes):
        form = {"company_name": "飞檐公司", "theme": "default", "accent_of": "theme"}
        form |= {"accent": "#b93a26", "step": step, "csrf_token": admin.csrf, **changes}
        # As bytes: what the client writes by itself of a long one is never closed.
        boundary, body = encode_multipart(form)
        return admin.post(PAGE, data=body, content_type=f"multipart/form-data; boundary={boundary}")

    return send


def text(answer):
    return unescape(answer.get_data(as_text=True))


def picture(data=PNG, name="logo.png"):
    return FileStorage(io.BytesIO(data), name)


def logo_of(page):
    found = re.search(r'<img class="logo logo-own" src="([^"]+)"', text(page))
    return found and found[1]


def test_another_theme_holds_for_everybody_at_once(send, client):
    assert "themes/qinglu" not in text(client.get("/sign-in"))
    answer = send(theme="qinglu")
    assert (answer.status_code, answer.location) == (303, PAGE)
    page = text(client.get("/sign-in"))
    assert "/static/themes/qinglu/tokens.css" in page
    assert "飞檐公司" in page


def test_other_processes_follow_through_the_epoch(send, runtime):
    """Whoever compares the epoch, as before each request, finds it moved."""

    def look():
        with runtime.read_connection() as connection:
            snapshot, _access = runtime.refresh(connection)
        return snapshot.structure, snapshot.settings["core_look"]["accent"]

    before = look()
    assert before[1] is None
    send(theme="qinglu", accent_of="own", accent="#1A659F")
    after = look()
    assert after[0] > before[0]
    assert after[1] == "#1a659f"


def test_what_is_only_tried_is_seen_by_nobody_else(send, admin, client):
    tried = send("try", theme="qinglu", accent_of="own", accent="#00b578", company_name="试试看")
    assert tried.status_code == 303
    page = text(admin.get(tried.location))
    assert "/static/themes/qinglu/tokens.css" in page
    assert "/theme/qinglu/00b578/light.css" in page
    assert page.count("试试看") >= 2
    for other in (text(client.get("/sign-in")), text(admin.get("/")), text(admin.get(PAGE))):
        assert "qinglu/tokens" not in other
        assert "试试看" not in other


def test_a_colour_is_laid_over_the_theme_and_kept_for_good(send, client):
    send(accent_of="own", accent="#FFD400")
    page = text(client.get("/sign-in"))
    light, dark = re.findall(r'href="(/theme/default/ffd400/[^"]+)"', page)
    assert "light.css?v=" in light
    assert "dark.css?v=" in dark
    answer = client.get(light)
    assert answer.content_type == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "--accent:" in text(answer)
    assert "immutable" not in client.get(light.partition("?")[0]).headers["Cache-Control"]
    assert "#ffd400" not in text(answer), "too pale to be read on paper"


@pytest.mark.parametrize(
    "path",
    ["/theme/default/red/light.css", "/theme/gone/b93a26/light.css", "/theme/default/b93a26/x.css"],
)
def test_there_is_no_sheet_of_what_is_no_colour_or_theme(client, path):
    assert client.get(path).status_code == 404


def test_the_page_says_what_a_colour_becomes(send, admin):
    answer = send("try", accent_of="own", accent="#ffd400")
    assert len(re.findall(r"<code>#[0-9a-f]{6}</code>", text(admin.get(answer.location)))) >= 1
    answer = send("try", accent_of="own", accent="#b93a26")
    assert "浅色 <code>" not in text(admin.get(answer.location))


@pytest.mark.parametrize(
    ("field", "value"),
    [("theme", "gone"), ("accent", "red"), ("accent", "#12345"), ("company_name", " ")],
)
@pytest.mark.parametrize("step", ["try", "save"])
def test_what_cannot_be_is_marked_and_nothing_is_kept(send, admin, field, value, step):
    answer = send(step, **{"accent_of": "own", field: value})
    assert answer.status_code == 422
    assert "notice-bad" in text(answer)
    assert "飞檐公司" not in text(admin.get("/admin/settings"))


@pytest.mark.parametrize(
    ("group", "field", "value"),
    [
        ("core", "theme", "gone"),
        ("core", "theme", "../default"),
        ("core_look", "accent", "red"),
        ("core_look", "accent", "#12345"),
        ("core_look", "logo", 7),
    ],
)
def test_what_the_page_refuses_is_refused_over_rest(
    client, bearer, admin_id, unit_of_work, group, field, value
):
    answer = client.patch(
        f"/api/v1/settings/{group}", json={field: value}, headers=bearer(admin_id)
    )
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json["errors"]] == [field]
    with unit_of_work(write=False) as uow:
        assert uow.snapshot.settings[group][field] in (None, "default")


def test_the_look_is_changed_over_rest(client, bearer, admin_id):
    headers = bearer(admin_id)
    for values in ({"accent": "#1A659F"}, {"accent": None, "logo": None}):
        answer = client.patch("/api/v1/settings/core_look", json=values, headers=headers)
        assert answer.status_code == 200
        assert answer.json["values"].items() >= values.items()
    sent = client.patch("/api/v1/settings/core", json={"theme": "qinglu"}, headers=headers)
    assert sent.status_code == 200


def test_a_logo_is_shown_to_everybody_and_changes_its_address_with_it(send, admin, client):
    send(logo=picture())
    address = logo_of(client.get("/sign-in"))
    answer = client.get(address)
    assert answer.data == PNG
    assert answer.content_type == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "immutable" in answer.headers["Cache-Control"]
    send(logo=picture(PNG + b"2"))
    assert logo_of(client.get("/sign-in")) != address
    assert client.get(address).status_code == 404


def test_a_logo_that_is_tried_is_its_makers_alone_until_it_is_saved(send, admin, client):
    tried = send("try", logo=picture())
    page = admin.get(tried.location)
    address = logo_of(page)
    assert admin.get(address).data == PNG
    assert client.get(address).status_code == 302, "strangers are asked to sign in"
    assert client.get(address.replace("/files/", "/theme/logo/")).status_code == 404
    kept = re.search(r'name="logo__kept" value="(\d+)"', text(page))[1]
    send(logo__kept=kept)
    assert client.get(logo_of(client.get("/sign-in"))).data == PNG
    send(logo__kept=kept, logo__remove="1")
    assert logo_of(client.get("/sign-in")) is None


def test_the_first_screen_of_a_phone_has_the_logo(send, admin, client):
    """As a square; where it cannot be drawn, the theme's own icon stands."""
    drawn = io.BytesIO()
    Image.new("RGBA", (300, 60), (200, 30, 40, 255)).save(drawn, "PNG")
    before = {icon["src"] for icon in client.get("/manifest.webmanifest").get_json(True)["icons"]}
    send(logo=picture(drawn.getvalue()))
    icons = client.get("/manifest.webmanifest").get_json(True)["icons"]
    assert before.isdisjoint(icon["src"] for icon in icons)
    for icon in icons:
        answer = client.get(icon["src"])
        shown = Image.open(io.BytesIO(answer.data))
        assert f"{shown.width}x{shown.height}" == icon["sizes"]
        assert shown.getpixel((0, 0)) == (255, 255, 255)
        assert shown.getpixel((shown.width // 2, shown.height // 2)) == (200, 30, 40)
    touch = re.search(r'rel="apple-touch-icon" href="([^"]+)"', text(client.get("/sign-in")))[1]
    assert client.get(touch).mimetype == "image/png"
    assert client.get(touch.replace("180", "4000")).status_code == 404
    send(logo=picture())
    touch = re.search(r'rel="apple-touch-icon" href="([^"]+)"', text(client.get("/sign-in")))[1]
    assert "apple-touch-icon" in client.get(touch).location


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "logo.svg"),
        (b'<?xml version="1.0"?><svg/>', "logo.png"),
        (b"<!doctype html><script>alert(1)</script>", "logo.png"),
        (b"GIF89a" + b"\0" * 20, "logo.gif"),
        (b"%PDF-1.4", "logo.png"),
        (b"", "logo.png"),
        (PNG + b"\0" * 1_000_000, "logo.png"),
    ],
)
def test_only_small_pictures_of_pixels_become_a_logo(send, admin, client, data, name):
    answer = send(logo=picture(data, name))
    assert answer.status_code == 422
    assert 'id="error-logo"' in text(answer)
    assert logo_of(client.get("/sign-in")) is None


def test_no_other_file_can_be_made_the_logo(
    send, admin, client, sign_in, make_person, unit_of_work, make_orders
):
    """Neither somebody else's upload nor what belongs to a record, by whatever way."""
    make_person("Other", password="a calm roof of brackets")
    other = sign_in("person1@example.com", "a calm roof of brackets")
    answer = other.post(
        "/files",
        data={"file": picture(), "csrf_token": other.csrf},
        content_type="multipart/form-data",
    )
    theirs = answer.json["id"]
    assert send(logo__kept=str(theirs)).status_code == 404
    with unit_of_work() as uow, pytest.raises(Invalid):  # what REST could set as well
        put_settings(uow, "core_look", {"logo": theirs})
    assert client.get(f"/theme/logo/{theirs}").status_code == 404


def test_everything_is_as_delivered_again_but_the_name(send, admin, client):
    assert f"{PAGE}/reset" not in text(admin.get(PAGE))
    send(theme="qinglu", accent_of="own", accent="#00b578", logo=picture())
    assert f'href="{PAGE}/reset"' in text(admin.get(PAGE))
    assert f'action="{PAGE}/reset"' in text(admin.get(f"{PAGE}/reset"))
    assert "qinglu" in text(client.get("/sign-in")), "asked, not done"
    answer = admin.post(f"{PAGE}/reset", data={"csrf_token": admin.csrf})
    assert answer.status_code == 303
    page = text(client.get("/sign-in"))
    assert "qinglu" not in page
    assert "/theme/" not in page
    assert "飞檐公司" in page


def test_each_change_is_in_the_audit_trail(send, unit_of_work):
    send(theme="qinglu", accent_of="own", accent="#00b578")
    with unit_of_work(write=False) as uow:
        wanted = query.ListQuery(filter={"field": "action", "op": "eq", "value": "settings"})
        told = [entry["changes"] for entry in query.page(uow, "audit_entry", wanted).items]
    assert any("core.theme" in changes for changes in told)
    assert any("core_look.accent" in changes for changes in told)


@pytest.mark.parametrize("way", ["get", "post"])
def test_the_page_is_for_administrators(sign_in, make_person, way):
    make_person("王芳", password="a calm roof of brackets")
    person = sign_in("person1@example.com", "a calm roof of brackets")
    form = {"csrf_token": person.csrf, "company_name": "x", "theme": "qinglu", "step": "save"}
    for path in (PAGE, f"{PAGE}/reset"):
        answer = person.get(path) if way == "get" else person.post(path, data=form)
        assert answer.status_code == 403


def test_an_administrator_s_address_cannot_put_styles_into_the_page(admin):
    for accent in ("#b93a26}body{background:url(//x)", "red;x", "</style>"):
        page = text(admin.get(PAGE, query_string={"tried": "1", "accent": accent, "logo": "1e9"}))
        assert accent not in page
        assert "/theme/default/" not in page


def test_the_generic_page_of_settings_leads_there(admin):
    answer = admin.get("/admin/settings/core_look")
    assert (answer.status_code, answer.location) == (302, PAGE)
    assert f'href="{PAGE}"' in text(admin.get("/admin/settings"))
    assert 'name="theme"' not in text(admin.get("/admin/settings"))


def test_what_is_taken_for_a_png_is_one():
    assert sniff_media_type(PNG, "logo.png") == "image/png"
