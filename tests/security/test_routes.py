"""Z1, Z2, Z4: each route is probed against the oracle, asked of everybody, or listed with a reason."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from operations import Probe
from oracle import Oracle
from probing import _actors, _tokens
from routes import ENTITIES, ROUTES
from test_requests import digest
from worlds import populate, shuffle, tell

from core.entities import service
from core.http.requests import route_policy

SEED = 5
#: Leaves notes that somebody was there.
LOGS = ("core_session", "core_sign_in", "core_api_token", "core_audit_entry", "core_epoch")

_SHARING = "who may share is less than who may read: test_sharing.py"
_OWN = "shows and changes what belongs to the caller alone"
_COMMENTS = "only with the record that it is about: test_comments.py of web"
_FRAME = "tells nothing of any record"
_PLAN = (
    "the plan, the files and the runs of another are missing ones: test_plan_pages.py of exchange"
)
#: Routes that no probe asks, and why.
UNPROBED = {
    "system.healthz": _FRAME,
    "system.readyz": _FRAME,
    "system.favicon": _FRAME,
    "system.static": _FRAME,
    "system.accent": _FRAME,
    "system.company_logo": "the one file that everybody may see: test_appearance.py of web",
    "system.company_icon": "the same file as a square",
    "system.manifest": _FRAME,
    "system.service_worker": _FRAME,
    "system.offline": _FRAME,
    "web.sign_in": "who signs in is tested in test_requests.py",
    "web.sign_in_page": _FRAME,
    "web.sign_out": _OWN,
    "web.set_language": _OWN,
    "web.set_color_scheme": _OWN,
    "web.sign_in_step": "half-done sign-ins are tested in test_second_factor.py",
    "web.take_sign_in_step": "half-done sign-ins are tested in test_second_factor.py",
    "web.forgotten": _FRAME,
    "web.ask_for_password": "the same answer for everybody: test_reset.py",
    "web.password_link": "links by mail are tested in test_reset.py",
    "web.use_password_link": "links by mail are tested in test_reset.py",
    "web.merge_records": "the verb of crm_sales, which no sample has: test_merging.py there",
    "web.do_merge": "the verb of crm_sales, which no sample has: test_merging.py there",
    "web.second_factor": _OWN,
    "web.begin_second_factor": _OWN,
    "web.confirm_second_factor": _OWN,
    "web.renew_recovery_codes": _OWN,
    "web.turn_off_second_factor": _OWN,
    "web.profile": _OWN,
    "web.save_profile": _OWN,
    "web.change_password": _OWN,
    "web.end_own_session": _OWN,
    "web.create_own_token": _OWN,
    "web.revoke_own_token": _OWN,
    "web.confirm_end_own_session": _OWN,
    "web.confirm_revoke_own_token": _OWN,
    "web.confirm_revoke_own_tokens": _OWN,
    "web.jobs": _OWN,
    "web.set_single_keys": _OWN,
    "web.set_navigation": _OWN,
    "web.notifications": _OWN,
    "web.help_index": _FRAME,
    "web.help_topic": _FRAME,
    "web.ask_for_help": "a question is read by who asks and who helps: test_help.py of web",
    "web.open_notification": "that of another person is a missing one: test_notifications.py of web",
    "web.put_off_notification": "that of another person is a missing one: test_notifications.py of web",
    "web.read_notifications": _OWN,
    "web.unread_notifications": _OWN,
    "web.choose_notifications": _OWN,
    "web.save_view": "an address under a name, which gives no right: test_list_views.py of web",
    "web.change_view": "that of another person is a missing one: test_list_views.py of web",
    "web.delete_view": "that of another person is a missing one: test_list_views.py of web",
    "web.restore_view": "what another person deleted is a missing one: test_list_views.py of web",
    "web.confirm_stop_job": "the job of another person is a missing one: test_admin_jobs.py of web",
    "web.stop_own_job": "the job of another person is a missing one: test_admin_jobs.py of web",
    "web.revoke_own_tokens": _OWN,
    "web.drop_draft": _OWN,
    "web.restore_draft": _OWN,
    "web.keep_draft": "keeps what the caller has typed, for the caller alone",
    "web.import_keep": "the file of another person is a missing one: test_pages.py of exchange",
    "web.import_forget": _OWN,
    "web.import_restore": _OWN,
    "web.all_imports": _OWN,
    "web.import_plans": _PLAN,
    "web.add_import_plan": _PLAN,
    "web.import_plan": _PLAN,
    "web.import_plan_file": _PLAN,
    "web.change_import_plan": _PLAN,
    "web.write_import_plan": _PLAN,
    "web.copy_import_plan": _PLAN,
    "web.delete_import_plan": _PLAN,
    "web.restore_import_plan": _PLAN,
    "web.add_plan_files": _PLAN,
    "web.change_plan_steps": _PLAN,
    "web.plan_step": _PLAN,
    "web.change_plan_step": _PLAN,
    "web.rehearse_import_plan": _PLAN,
    "web.start_import_plan": _PLAN,
    "web.plan_run": _PLAN,
    "web.refused_rows_file": _PLAN,
    "web.accept_suggestions": _PLAN,
    "web.confirm_stop_plan": _PLAN,
    "web.stop_import_plan": _PLAN,
    "web.undo_import_plan": _PLAN,
    "web.undo_import_plan_run": _PLAN,
    "web.entity_imports": _OWN,
    "web.undo_import": "the import of another person is a missing one: test_undo.py of exchange",
    "web.undo_import_run": "the import of another person is a missing one: test_undo.py of exchange",
    "api.list_imports": _OWN,
    "api.rehearse_undo": "the import of another person is a missing one: test_undo.py of exchange",
    "api.undo_import": "the import of another person is a missing one: test_undo.py of exchange",
    "web.exchange_job": "the job of another person is a missing one: test_pages.py of exchange",
    "web.choose_columns": _OWN,
    "web.bulk_job": "the job of another person is a missing one: test_bulk.py of web",
    "web.undo_bulk": "what another person did is a missing one: test_bulk.py of web",
    "web.add_comment": _COMMENTS,
    "web.edit_comment": _COMMENTS,
    "web.delete_comment": _COMMENTS,
    "web.restore_comment": _COMMENTS,
    "web.add_files": _COMMENTS,
    "web.delete_file": _COMMENTS,
    "web.restore_file": _COMMENTS,
    "api.add_comment": _COMMENTS,
    "api.edit_comment": _COMMENTS,
    "api.delete_comment": _COMMENTS,
    "web.keep_widths": _OWN,
    "web.keep_limits": _OWN,
    "web.follow_form": "how fields that the caller sees stand: test_rules_pages.py of customize",
    "web.filter_row": "draws one row of a filter: fields are those of `list_records`",
    "web.suggest_region": _FRAME,
    "web.suggest_related": "asks what the probed web.suggest asks, of each entity: test_related_form.py of activities",
    "web.record_shares": _SHARING,
    "web.share_record": _SHARING,
    "web.unshare_record": _SHARING,
    "web.restore_share": _SHARING,
    "api.list_shares": _SHARING,
    "api.add_share": _SHARING,
    "api.end_share": _SHARING,
    "api.explain_access": "agrees with the oracle, and for oneself alone: test_explain.py",
    "web.own_absences": _OWN,
    "web.add_absence": _OWN,
    "web.remove_absence": _OWN,
    "web.restore_absence": _OWN,
    "web.end_sign_in_as": _OWN,
    "web.home": "its numbers come from `aggregate`, which is probed",
    "web.upload_file": "a new file belongs to whoever uploads it, until it is attached",
    "web.download_file": "readable with its record alone: test_files.py and test_access.py",
    "web.import_columns": "the file of another person is a missing one: test_pages.py of exchange",
    "web.import_preview": "the file of another person is a missing one: test_pages.py of exchange",
    "web.import_run": "the file of another person is a missing one: test_pages.py of exchange",
    "api.get_me": _OWN,
    "api.list_tokens": _OWN,
    "api.make_token": _OWN,
    "api.remove_token": _OWN,
    "api.get_job": "the job of another person is a missing one: test_rights.py of the API",
    "api.stop_job": "the job of another person is a missing one: test_rights.py of the API",
    "api.get_file": "readable with its record alone: test_files.py of exchange",
    "api.get_schema": "the structure as far as the caller may see it: test_schema.py of the API",
    "api.openapi": "the structure as far as the caller may see it: test_schema.py of the API",
    "api.docs_page": "the structure as far as the caller may see it: test_schema.py of the API",
    "system.metrics": "asks for a permission of its own: test_access.py",
}


_ASKS = "reads through `query`, which is probed, with the rights of whoever asks: test_pages.py of activities"
_WRITES = (
    "writes through `service`, which is probed: test_pages.py and test_rights.py of activities"
)
#: Routes of the suite's own plugins, which are off in these tests, and need not be there at all.
OF_PLUGINS = {
    "activities.answers": _ASKS,
    "activities.calendar": _ASKS,
    "activities.check_follow_up": _WRITES,
    "activities.check_in": "reads through `query`, which is probed: test_check_ins.py of activities",
    "activities.choose_spot_check": _OWN,
    "activities.complete_task": _WRITES,
    "activities.create_follow_up": _WRITES,
    "activities.create_task": _WRITES,
    "activities.export_statistics": _ASKS,
    "activities.handover": "one's own records, with what one may read of them: test_handover.py of activities",
    "activities.new_follow_up": _ASKS,
    "activities.new_task": _ASKS,
    "activities.quota": _FRAME,
    "activities.prompts": "shows the company's own templates to who writes follow-ups",
    "activities.save_check_in": "acts through `service`, which is probed: test_check_ins.py of activities",
    "activities.spot_check": _ASKS,
    "activities.statistics": _ASKS,
    "activities.suggest_records": _ASKS,
    "contracts.ask": "asks for the verb's right on the record: test_making.py of contracts",
    "contracts.make": "uses the verb through `service`, which is probed: test_making.py of contracts",
    "crm_leads.channels": "adds up through `aggregate`, which is probed: test_campaigns.py of crm_leads",
    "crm_leads.show_duplicates": "tells who has a lead out of reach, and no more: test_duplicates.py of crm_leads",
    "crm_leads.form": "a page of the company that anybody may see: test_public_forms.py of crm_leads",
    "crm_leads.submit_form": "makes a lead in the pool of the form, and no more: test_public_forms.py of crm_leads",
    "crm_leads.returns": "reads through `query.conditions`: test_returns.py of crm_leads",
    "crm_sales.answer_offer": "for whoever has the link, once: test_offers.py of crm_sales",
    "crm_sales.show_offer": "for whoever has the link, one version of one quote: test_offers.py of crm_sales",
    "crm_sales.write_quote_mail": "asks for the verb's right on the quote: test_offers.py of crm_sales",
    "crm_sales.send_quote": "uses the verb through `service`, which is probed: test_offers.py of crm_sales",
    "crm_sales.quote_link": "asks for the verb's right on the quote: test_offers.py of crm_sales",
    "crm_sales.make_quote_link": "asks for the verb's right on the quote: test_offers.py of crm_sales",
    "crm_sales.calculate_quote": "reads what may be read, and saves nothing: test_quote_pages.py of crm_sales",
    "crm_sales.show_path": "reads through `query`, which is probed: test_path.py of crm_sales",
    "crm_sales.show_beside": "of a customer that may be read alone: test_deal_rivals.py of crm_sales",
    "crm_sales.calculate_opportunity": "reads what may be read, and saves nothing: test_deal_pages.py of crm_sales",
    "crm_sales.edit_opportunity_lines": "reads through `query`, which is probed: test_deal_pages.py of crm_sales",
    "crm_sales.save_opportunity_lines": "writes through `service`, which is probed: test_deal_pages.py of crm_sales",
    "crm_sales.compare_quote": "reads through `query`, which is probed: test_quote_pages.py of crm_sales",
    "crm_sales.create_customer": "writes through `service`, which is probed: test_duplicates.py of crm_sales",
    "crm_sales.create_quote": "writes through `service`, which is probed: test_quote_pages.py of crm_sales",
    "crm_sales.edit_quote_lines": "reads through `query`, which is probed: test_quote_pages.py of crm_sales",
    "crm_sales.edit_targets": "reads through `query`, which is probed: test_targets.py of crm_sales",
    "crm_sales.explain_quote": "reads through `query`, which is probed: test_quote_pages.py of crm_sales",
    "crm_sales.forecast": "adds up through `aggregate`, which is probed: test_forecast.py of crm_sales",
    "crm_sales.cockpit": "the parts of other pages within their rights: test_goals.py of crm_sales",
    "crm_sales.goals": "reads through `query` and registered measures: test_goals.py of crm_sales",
    "crm_sales.funnel": "adds up through `aggregate`, which is probed: test_rights.py of crm_sales",
    "crm_sales.funnel_change": "reads through `query.conditions`: test_going_on.py of crm_sales",
    "crm_sales.export_funnel_change": "the same as a file, for who may export: test_going_on.py of crm_sales",
    "crm_sales.league": "adds up through `aggregate`, which is probed: test_forecast.py of crm_sales",
    "crm_sales.league_screen": "the same figures as the league: test_forecast.py of crm_sales",
    "crm_sales.outcomes": "adds up through `aggregate`, which is probed: test_outcomes.py of crm_sales",
    "crm_sales.tick_tasks": "writes through `service`, which is probed: test_opportunities.py of crm_sales",
    "crm_sales.new_customer": "an empty form for who may make customers: test_rights.py of crm_sales",
    "crm_sales.new_quote": "an empty form for who may make quotes: test_quote_pages.py of crm_sales",
    "crm_sales.read_price": "for who may read the product and the customer: test_quote_pages.py of crm_sales",
    "crm_sales.opportunity_returns": "reads through `query.conditions`: test_pools.py of crm_sales",
    "crm_sales.returns": "reads through `query.conditions`: test_pools.py of crm_sales",
    "crm_sales.save_quote_lines": "writes through `service`, which is probed: test_quote_pages.py of crm_sales",
    "crm_sales.save_targets": "writes through `service`, which is probed: test_targets.py of crm_sales",
    "crm_sales.idle_customers": "customers within the reader's scope: test_care.py of crm_sales",
    "crm_sales.shared_customers": "customers within the reader's scope: test_care.py of crm_sales",
    "crm_sales.show_discounts": "for who may read the quotes or sells there too: test_deal_rivals.py of crm_sales",
    "crm_sales.show_same": "tells who has a customer out of reach, and no more: test_duplicates.py of crm_sales",
    "crm_sales.convert_lead": "leads on to the page of a lead, which asks for its rights",
    "crm_sales.show_conversion": "asks for the verb's right on the lead: test_conversion.py of crm_sales",
    "crm_sales.do_convert_lead": "uses the verb through `service`, which is probed: test_conversion.py of crm_sales",
    "crm_sales.show_duplicates": "tells who has a customer out of reach, and no more: test_rights.py of crm_sales",
    "crm_sales.show_price": "for who may read the product and the customer: test_quote_pages.py of crm_sales",
}


def unexplained(app: Any) -> set[str]:
    """Endpoints that nobody probes, nobody has listed, and that are not the administrators'."""
    return {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in {*ROUTES, *UNPROBED, *OF_PLUGINS}
        and not _is_admins(app, rule.endpoint)
    }


def _is_admins(app: Any, endpoint: str) -> bool:
    return route_policy(app.view_functions[endpoint]) == "admin"


@pytest.mark.databases("sqlite")
def test_each_route_is_probed_or_listed_with_a_reason(app):
    assert unexplained(app) == set(), "write a probe in routes.py, or say why none is needed"
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert {*ROUTES, *UNPROBED} - endpoints == set(), "no such route any more"
    assert {*ROUTES} & {*UNPROBED} == set()


@pytest.mark.databases("sqlite")
def test_a_new_route_is_noticed(app, monkeypatch):
    """Positive control: one probe less, one listing less."""
    monkeypatch.delitem(ROUTES, "web.bulk_edit")
    monkeypatch.delitem(UNPROBED, "web.jobs")
    assert unexplained(app) == {"web.bulk_edit", "web.jobs"}


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_routes_answer_as_the_oracle_says_and_refusals_write_nothing(runtime, app, unit_of_work):
    """Z1, Z4: random people ask every route that deals with records."""
    _ask_every_route(runtime, app, unit_of_work, 4)


@pytest.mark.long
@pytest.mark.databases("sqlite")
def test_so_they_do_when_each_is_asked_three_times_as_often(runtime, app, unit_of_work):
    _ask_every_route(runtime, app, unit_of_work, 12)


def _ask_every_route(runtime, app, unit_of_work, per_route):
    rng, hits, refused, differences = random.Random(SEED), Counter(), 0, []
    populate(runtime, SEED)
    tokens, client = _tokens(runtime), app.test_client()
    for _world in range(3):
        oracle, actors = Oracle(tell(runtime)), _actors(runtime, tokens)
        people = [key for key in oracle.world["users"] if key in tokens]
        before = digest(unit_of_work, without=LOGS)
        for endpoint, ask in ROUTES.items():
            for _turn in range(per_route):
                user, entity = rng.choice(people), rng.choice(ENTITIES)
                headers = {"Authorization": f"Bearer {tokens[user]}"}
                probe = Probe(runtime, oracle, rng, user, entity, actors[user], client, headers)
                got, expected = ask(probe)
                hits[endpoint] += 1
                refused += expected == "refused"
                if got != expected:
                    roles = oracle.roles(user)
                    differences.append(f"{endpoint} {entity} {user}: {got} not {expected} {roles}")
        assert differences == []
        assert digest(unit_of_work, without=LOGS) == before
        shuffle(runtime, rng)
    assert set(hits) == set(ROUTES)
    assert refused > per_route * 3


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_pages_of_administrators_are_closed_to_everybody_else(
    app, client, bearer, make_person, unit_of_work, admin_id
):
    """Z2: each of them, with each method; none of the refusals writes anything."""
    with unit_of_work() as uow:
        everything = {"*": {"*": "all"}}
        role = {"name": "all", "title": "All", "grants": everything}
        service.create(uow, "role", [role])
    headers = bearer(make_person("Nearly", roles=("all",)))
    before, asked = digest(unit_of_work, without=LOGS), 0
    for rule in app.url_map.iter_rules():
        if not _is_admins(app, rule.endpoint):
            continue
        values = {name: 1 if "int" in str(rule) else "core" for name in rule.arguments}
        values |= {"name": "oracle_sample", "entity": "oracle_deal", "group": "core"}
        values = {name: values[name] for name in rule.arguments}
        with app.test_request_context():
            path = app.url_map.bind("localhost").build(rule.endpoint, values, method=None)
        for method in (rule.methods or set()) - {"OPTIONS"}:
            answer = client.open(path, method=method, headers=headers)
            assert answer.status_code in (403, 404), (method, path, answer.status_code)
            asked += 1
    assert asked >= 60
    assert digest(unit_of_work, without=LOGS) == before
