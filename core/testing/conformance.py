"""`PluginConformance`: what every plugin owes the suite, for three lines in its tests.

::

    class TestLeads(PluginConformance):
        plugin = "crm_leads"
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import func, select
from sqlalchemy import inspect as inspect_database

from core.boot import CORE, ROOT, boot
from core.config import Config
from core.entities import forms, query, schema, tables
from core.entities.computed import check_expression
from core.entities.conditions import parse_condition
from core.entities.filters import filter_fields
from core.entities.form_fields import editable_fields
from core.entities.inputs import InputContext
from core.entities.rendering import Reader, cell_renderer
from core.errors import NotFound
from core.fields import EntitySpec
from core.fields import types as t
from core.http.requests import route_policy
from core.ops.lifecycle import disable, enable
from core.plugins.manifest import read_manifest
from core.runtime import Runtime
from core.security.actor import ACTIONS, SCOPES, SYSTEM
from core.testing.factories import make_record
from core.testing.public_api import Import, imports_of, private_imports

__all__ = ["PluginConformance"]

SYMBOL = re.compile(r'<symbol id="([^"]+)"')
_booted: dict[tuple[str, tuple[Path, ...]], Runtime] = {}


class PluginConformance:
    """Inherit, name the plugin, and keep the class in ``<plugin>/tests/``."""

    #: The plugin's name, which is that of its folder.
    plugin: ClassVar[str]

    # What the checks look at

    @pytest.fixture
    def dougong_plugins(self) -> tuple[str, ...]:
        """The plugin is on, with what it needs."""
        return (self.plugin,)

    @pytest.fixture
    def dougong_plugin_folders(self) -> tuple[Path, ...]:
        """Where the plugin lies, when it is not among the suite's own."""
        return self._folders()

    @classmethod
    def _folders(cls) -> tuple[Path, ...]:
        above = Path(inspect.getfile(cls)).resolve().parent.parent.parent
        return () if above == ROOT / "plugins" else (above,)

    @pytest.fixture
    def booted(self, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
        """A runtime without a database, for what can be seen from the declarations."""
        key = (self.plugin, self._folders())
        if key not in _booted:
            home = tmp_path_factory.mktemp("conformance")
            folders = ":".join(str(folder) for folder in self._folders())
            environment = {"DOUGONG_HOME": str(home), "DOUGONG_PLUGINS_PATH": folders}
            _booted[key] = boot(Config.from_environment(environment))
        found = _booted[key]
        assert self.plugin in found.plugins.loaded, found.plugins.held_back
        return found

    def _folder(self, runtime: Runtime) -> Path:
        return runtime.plugins.loaded[self.plugin].folder

    def _specs(self, runtime: Runtime) -> list[EntitySpec]:
        assert runtime.declared is not None
        return [spec for spec in runtime.declared.specs.values() if spec.plugin == self.plugin]

    def _items(self, runtime: Runtime, hook: str) -> list[Any]:
        return [c.item for c in runtime.installed(hook) if c.owner == self.plugin]

    def _imports(self, runtime: Runtime) -> list[Import]:
        manifest = runtime.plugins.loaded[self.plugin]
        return imports_of(manifest.folder, manifest.module)

    def _others(self, runtime: Runtime) -> dict[str, list[Import]]:
        """Imports from other plugins, by their name."""
        found: dict[str, list[Import]] = {}
        modules = {m.module: name for name, m in runtime.plugins.loaded.items()}
        for each in self._imports(runtime):
            for module, name in modules.items():
                if name != self.plugin and f"{each.module}.".startswith(f"{module}."):
                    found.setdefault(name, []).append(each)
        return found

    # The manifest and the source

    def test_the_manifest_is_complete(self, booted: Runtime) -> None:
        """Title and summary in both languages, and the versions of the core that it runs with."""
        manifest = read_manifest(self._folder(booted), self.plugin)
        empty = [
            key
            for key in ("title", "title_zh_cn", "summary", "summary_zh_cn", "core")
            if not getattr(manifest, key)
        ]
        assert not empty, f"plugin.cfg: {', '.join(empty)}"

    def test_it_is_not_held_back(self, booted: Runtime) -> None:
        """It is loaded, and nothing that it registers is refused."""
        assert self.plugin not in booted.plugins.held_back

    def test_what_it_imports_is_what_it_depends_on(self, booted: Runtime) -> None:
        """Other plugins are imported only when the manifest names them."""
        manifest = booted.plugins.loaded[self.plugin]
        undeclared = set(self._others(booted)) - set(manifest.depends)
        assert not undeclared, f"add to depends: {', '.join(sorted(undeclared))}"

    def test_what_it_depends_on_is_used(self, booted: Runtime) -> None:
        """Each plugin in ``depends`` is imported, or an entity of it is referred to or extended."""
        assert booted.declared is not None
        specs = booted.declared.specs
        used = set(self._others(booted))
        fields = [field for spec in specs.values() for field in spec.fields]
        for field in fields:
            target = specs.get(getattr(field.type, "entity", ""))
            if field.owner == self.plugin and target is not None:
                used.add(target.plugin)
        used |= {
            spec.plugin
            for spec in specs.values()
            if any(field.owner == self.plugin for field in spec.fields)
        }
        unused = set(booted.plugins.loaded[self.plugin].depends) - used
        assert not unused, f"take out of depends: {', '.join(sorted(unused))}"

    def test_other_plugins_are_reached_through_their_api(self, booted: Runtime) -> None:
        """Only ``api.py`` of another plugin is imported."""
        modules = {name: m.module for name, m in booted.plugins.loaded.items()}
        inner = [
            f"{each.place}: {each.module}"
            for name, found in self._others(booted).items()
            for each in found
            if f"{each.module}.{each.name}" != f"{modules[name]}.api"
            and each.module != f"{modules[name]}.api"
        ]
        assert not inner, "\n".join(inner)

    def test_the_core_is_reached_through_its_public_names(self, booted: Runtime) -> None:
        """Nothing is imported from the core that docs/plugins/write.md does not list."""
        private = private_imports(self._imports(booted))
        assert not private, "\n".join(private)

    # Names

    def test_tables_carry_its_prefix(self, booted: Runtime) -> None:
        """Every table that its models declare begins with its name."""
        assert all(spec.table.name.startswith(f"{self.plugin}_") for spec in self._specs(booted))

    def test_what_it_registers_carries_its_prefix(self, booted: Runtime) -> None:
        """Permissions, settings, jobs and events."""
        hooks = ("register_permissions", "register_settings", "register_jobs", "register_events")
        names = [item.name for hook in hooks for item in self._items(booted, hook)]
        assert [n for n in names if n != self.plugin and not n.startswith(f"{self.plugin}.")] == []

    def test_its_files_lie_below_its_name(self, booted: Runtime) -> None:
        """``templates/<plugin>/`` and ``static/<plugin>/``; nothing lies beside them."""
        for kind in ("templates", "static"):
            folder = self._folder(booted) / kind
            if folder.is_dir():
                beside = {path.name for path in folder.iterdir()} - {self.plugin}
                assert not beside, f"{kind}/: {', '.join(sorted(beside))}"

    def test_its_pages_lie_below_one_address(self, app: Any, runtime: Runtime) -> None:
        """Routes of its blueprints begin with ``/<plugin>`` or what the blueprint states."""
        owners = app.extensions["dougong.owners"]
        for rule in app.url_map.iter_rules():
            if owners.get(rule.endpoint.partition(".")[0]) == self.plugin:
                assert rule.rule.count("/") > 1, f"{rule.rule} lies at the top"

    # Entities

    def test_entities_have_labels_and_icons(self, booted: Runtime) -> None:
        """In singular and plural, and an icon that the sprite holds."""
        icons = set(SYMBOL.findall((CORE / "static/core/icons/icons.svg").read_text("utf-8")))
        for spec in self._specs(booted):
            assert str(spec.label), spec.name
            assert str(spec.label_plural), spec.name
            assert spec.icon in icons, f"{spec.name}: there is no icon {spec.icon}"
        for item in self._items(booted, "register_navigation"):
            assert item.icon in icons, f"{item.endpoint}: there is no icon {item.icon}"

    def test_fields_have_labels(self, booted: Runtime) -> None:
        """So have the verbs and what they ask for, and the choices."""
        for spec in self._specs(booted):
            for field in (*spec, *(param for verb in spec.actions for param in verb.params)):
                assert str(field.label), f"{spec.name}.{field.name}"
                for choice in getattr(field.type, "choices", ()):
                    assert str(choice.label), f"{spec.name}.{field.name}: {choice.value}"
            assert all(str(verb.label) for verb in spec.actions), spec.name

    def test_expressions_are_understood(self, booted: Runtime) -> None:
        """The expression of each computed field compiles to a value of its type."""
        assert booted.declared is not None
        for spec in self._specs(booted):
            for field in spec:
                if isinstance(field.type, t.Computed):
                    source, result = field.type.expression, field.type.result
                    check_expression(booted.declared.specs, spec, source, result)

    def test_conditions_are_understood(self, runtime: Runtime, unit_of_work: Any) -> None:
        """Where verbs are shown, and the scopes of the delivered roles."""
        with unit_of_work(write=False) as uow:
            for spec in self._specs(runtime):
                for verb in spec.actions:
                    if verb.when is not None:
                        parse_condition(verb.when, spec, uow)
            for role in self._items(runtime, "register_roles"):
                for entity, grants in role.grants.items():
                    for granted in grants.values():
                        for scope in granted if isinstance(granted, list) else [granted]:
                            if not isinstance(scope, str):
                                parse_condition(scope["condition"], uow.entity(entity), uow)
                            elif scope not in ("none", *SCOPES):
                                assert scope in uow.entity(entity).scopes_by_name

    def test_what_takes_something_away_asks_or_can_be_taken_back(self, booted: Runtime) -> None:
        """Verbs of the tones warn and bad: nobody loses something by one click."""
        for spec in self._specs(booted):
            for verb in spec.actions:
                asks = bool(verb.params or verb.page or str(verb.confirm))
                harmless = verb.tone not in ("warn", "bad") or verb.undoable or asks
                assert harmless, f"{spec.name}.{verb.name}: say undoable=True, or confirm="

    def test_roles_name_what_exists(self, booted: Runtime) -> None:
        """Entities, their fields, and actions that they have."""
        assert booted.declared is not None
        specs = booted.declared.specs
        for role in self._items(booted, "register_roles"):
            for entity, grants in role.grants.items():
                if entity != "*":
                    known = {*ACTIONS, *specs[entity].actions_by_name, "*"}
                    known |= self._added_verbs(booted, specs[entity])
                    assert set(grants) <= known, f"{role.name}: {entity}: {set(grants) - known}"
            for entity, fields in role.fields.items():
                unknown = set(fields) - set(specs[entity].by_name)
                assert not unknown, f"{role.name}: {entity}: {unknown}"

    def _added_verbs(self, runtime: Runtime, spec: EntitySpec) -> set[str]:
        """The verbs that the plugin adds to an entity, of another plugin as a rule."""
        added = runtime.plugins.ask(
            "record_actions", frozenset({self.plugin}), entity=spec, actor=SYSTEM
        )
        return {verb.name for verbs in added for verb in verbs}

    def test_forms_lists_and_schemas_can_be_made(
        self, unit_of_work: Any, admin_id: int, runtime: Runtime
    ) -> None:
        """For each entity: the form, the list with its filters and cells, and the JSON schema."""
        with unit_of_work(admin_id, write=False) as uow:
            reader = Reader(runtime.clock.timezone)
            for name in [spec.name for spec in self._specs(runtime)]:
                spec = uow.entity(name)
                form = forms.build_form(InputContext(uow, reader), spec, values={})
                assert form.sections or not editable_fields(uow, spec), name
                assert tables.list_columns(uow, spec), name
                filter_fields(uow, spec)
                for field in spec:
                    assert schema.read_schema(field) is not None
                    cell_renderer(field, reader)

    def test_records_can_be_made_and_read(
        self, unit_of_work: Any, admin_id: int, runtime: Runtime
    ) -> None:
        """A record with what is required goes through the one door and comes back."""
        with unit_of_work(admin_id) as uow:
            for spec in self._creatable(runtime):
                record_id = make_record(uow, spec.name)
                assert query.get(uow, spec.name, record_id).values["id"] == record_id

    def _creatable(self, runtime: Runtime) -> list[EntitySpec]:
        return [s for s in self._specs(runtime) if s.creatable and s.parent_field is None]

    # Pages

    def test_every_route_names_a_permission(self, app: Any, runtime: Runtime) -> None:
        """``@public``, ``@signed_in``, or a right that somebody registered."""
        rights = {item.item.name for item in runtime.installed("register_permissions")}
        owners = app.extensions["dougong.owners"]
        for rule in app.url_map.iter_rules():
            if owners.get(rule.endpoint.partition(".")[0]) != self.plugin:
                continue
            policy = route_policy(app.view_functions[rule.endpoint])
            assert policy in {"public", "signed_in", "admin"} | rights, (
                f"{rule.endpoint}: {policy} is not registered"
            )

    @pytest.mark.long
    def test_no_number_in_an_address_is_too_large(
        self, app: Any, runtime: Runtime, sign_in: Any
    ) -> None:
        """Every page without arguments in its path, with all that the plugin's source reads by name."""
        owners, browser = app.extensions["dougong.owners"], sign_in()
        texts = (p.read_text(encoding="utf-8") for p in self._folder(runtime).rglob("*.py"))
        names = {name for text in texts for name in re.findall(r'\.get\(\s*"(\w{1,40})"', text)}
        for rule in app.url_map.iter_rules():
            if owners.get(rule.endpoint.partition(".")[0]) != self.plugin:
                continue
            if "GET" in (rule.methods or ()) and not rule.arguments:
                answer = browser.get(rule.rule, query_string=dict.fromkeys(names, "9" * 30))
                answer.close()
                assert answer.status_code < 500, rule.rule

    def test_templates_compile_in_every_theme(self, app: Any, runtime: Runtime) -> None:
        """Without rendering them: names, blocks and macros."""
        renderer, themes = app.extensions["dougong.renderer"], app.extensions["dougong.themes"]
        folder = self._folder(runtime) / "templates"
        for path in sorted(folder.rglob("*.html")):
            name, compiled = path.relative_to(folder).as_posix(), set()
            for theme in themes:
                environment = renderer.environment(theme.name)
                _source, file, _fresh = environment.loader.get_source(environment, name)
                if file not in compiled:  # the same file is the same in the next theme
                    environment.get_template(name)
                    compiled.add(file)

    def test_navigation_leads_somewhere(self, app: Any, runtime: Runtime) -> None:
        """Endpoints exist, those of new records too, and permissions are registered ones."""
        own_pages = {spec.new_page for spec in self._specs(runtime)} - {""}
        assert own_pages <= set(app.view_functions)
        rights = {item.item.name for item in runtime.installed("register_permissions")}
        for item in self._items(runtime, "register_navigation"):
            assert item.endpoint in app.view_functions
            assert item.permission is None or item.permission in rights | {"admin"}

    # Work

    def test_events_survive_json(self, booted: Runtime) -> None:
        """Checked at boot with sample values; here that they are named in the past, as facts."""
        for event in self._items(booted, "register_events"):
            assert event.name == f"{self.plugin}.{event.__name__}"

    def test_schedules_start_its_own_jobs(self, booted: Runtime) -> None:
        """What the clock starts stops with the plugin."""
        own = {job.name for job in self._items(booted, "register_jobs")}
        assert {s.job for s in self._items(booted, "register_schedules")} <= own

    # The database

    def test_migrations_and_models_agree(self, runtime: Runtime, unit_of_work: Any) -> None:
        """Up from nothing, equal to the models; down again, and nothing is left; and up once more."""
        from core.db.migrate import differences, downgrade, upgrade

        versions = self._folder(runtime) / "migrations"
        with unit_of_work() as uow:
            connection = uow.connection
            assert differences(connection, self.plugin, versions) == ""
            if any(versions.glob("[0-9]*.py")):
                downgrade(connection, self.plugin, versions)
                left = [n for n in self._tables(connection) if not n.endswith("_alembic")]
                assert left == []
                upgrade(connection, self.plugin, versions)
            assert differences(connection, self.plugin, versions) == ""

    def _tables(self, connection: Any) -> list[str]:
        names = inspect_database(connection).get_table_names()
        return sorted(name for name in names if name.startswith(f"{self.plugin}_"))

    def _rows(self, runtime: Runtime) -> dict[str, int]:
        with runtime.read_connection() as connection:
            return {
                spec.name: connection.execute(
                    select(func.count()).select_from(spec.table)
                ).scalar_one()
                for spec in self._specs(runtime)
            }

    @pytest.fixture
    def switched_off(self, runtime: Runtime, unit_of_work: Any) -> dict[str, int]:
        """The plugin holds records and is off; what its tables held before."""
        with unit_of_work() as uow:
            for spec in self._creatable(runtime):
                make_record(uow, spec.name)
        before = self._rows(runtime)
        with unit_of_work() as uow:
            disable(uow, self.plugin)
        return before

    def test_off_its_pages_are_gone(
        self, switched_off: Any, app: Any, sign_in: Any, runtime: Runtime
    ) -> None:
        """404 for every route without parameters, whatever the method."""
        browser, owners = sign_in(), app.extensions["dougong.owners"]
        for rule in app.url_map.iter_rules():
            if owners.get(rule.endpoint.partition(".")[0]) != self.plugin:
                continue
            path = re.sub(r"<[^>]*>", "1", rule.rule)
            for method in (rule.methods or set()) & {"GET", "POST"}:
                answer = browser.open(path, method=method)
                assert answer.status_code == 404, f"{method} {path}"

    def test_off_its_contributions_do_not_count(
        self, switched_off: Any, unit_of_work: Any, app: Any
    ) -> None:
        """No navigation, settings, jobs, schedules, subscribers, timeline, commands nor roles."""
        with unit_of_work(write=False) as uow:
            counted = [
                hook
                for hook, items in uow.snapshot.contributions.items()
                if any(item.owner == self.plugin for item in items)
            ]
            assert counted == []

    def test_off_its_slots_are_empty(self, switched_off: Any, app: Any, client: Any) -> None:
        """Nothing of it is put into pages of others."""
        page = client.get("/sign-in")
        assert page.status_code == 200
        slots = app.extensions["dougong.renderer"].environment("default").globals["slot"]
        with app.test_request_context("/"):
            app.preprocess_request()
            assert self.plugin not in slots.owners()

    def test_off_its_entities_are_unknown(
        self, switched_off: Any, unit_of_work: Any, runtime: Runtime, client: Any, admin_id: int,
        bearer: Any,
    ) -> None:  # fmt: skip
        """To the service, and to REST."""
        headers = bearer(admin_id)
        for spec in self._specs(runtime):
            with pytest.raises(NotFound), unit_of_work(write=False) as uow:
                uow.entity(spec.name)
            answer = client.get(f"/api/v1/records/{spec.name}", headers=headers)
            assert answer.status_code == 404

    def test_on_again_its_data_is_back(
        self, switched_off: dict[str, int], unit_of_work: Any, runtime: Runtime
    ) -> None:
        """P3: switching off and on loses nothing."""
        assert self._rows(runtime) == switched_off
        with unit_of_work() as uow:
            enable(uow, self.plugin)
        after = self._rows(runtime)
        assert {name: after[name] >= rows for name, rows in switched_off.items()} == dict.fromkeys(
            switched_off, True
        )
        with unit_of_work(write=False) as uow:
            assert all(uow.entity(spec.name) for spec in self._specs(runtime))
