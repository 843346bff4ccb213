"""Loading what is installed, calling hooks of what is enabled, naming whoever fails."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import pluggy

from core.plugins import hookspecs
from core.plugins.answers import check_answer
from core.plugins.discovery import Discovery, load_order
from core.plugins.failures import Failures
from core.plugins.manifest import Manifest

__all__ = ["Contribution", "HookFailed", "PluginManager"]

log = logging.getLogger("dougong.plugins")
T = TypeVar("T")
#: (plugin, function)
_Implementation = tuple[str, Callable[..., Any]]


class HookFailed(Exception):
    """A plugin raised in a hook that takes part in a transaction; the cause is chained."""

    def __init__(self, plugin: str, hook: str, error: BaseException) -> None:
        super().__init__(f"plugin {plugin} failed in {hook}: {type(error).__name__}: {error}")
        self.plugin = plugin
        self.hook = hook


@dataclass(frozen=True)
class Contribution(Generic[T]):
    """One registered item with the plugin that owns it."""

    owner: str
    item: T


class PluginManager:
    """All installed plugins, loaded once; which of them count is given with each call."""

    def __init__(self, discovery: Discovery, *, core_version: str) -> None:
        self._pluggy = pluggy.PluginManager("dougong")
        self._pluggy.add_hookspecs(hookspecs)
        self.manifests = discovery.manifests
        self.loaded: dict[str, Manifest] = {}
        self.held_back: dict[str, str] = dict(discovery.held_back)
        #: Who implements a hook among those enabled: asked some twenty times in each request.
        self._kept: dict[tuple[str, frozenset[str] | None], tuple[_Implementation, ...]] = {}
        #: Hooks that fail while the suite runs; see `core.plugins.failures`.
        self.failures = Failures()
        order, refused = load_order(discovery.manifests, core_version=core_version)
        self.held_back.update(refused)
        for manifest in order:
            self._load(manifest)

    # Loading

    def _load(self, manifest: Manifest) -> None:
        needs = [name for name in manifest.depends if name not in self.loaded]
        if needs:
            self.hold_back(manifest.name, f"needs the plugin {needs[0]}, which is held back")
            return
        try:
            module = importlib.import_module(f"{manifest.module}.plugin")
            self._check_hook_names(module)
            self._pluggy.register(module, name=manifest.name)
        except (Exception, SystemExit) as error:  # whatever it does at import, the suite starts
            log.exception("plugin %s cannot be loaded", manifest.name)
            self.hold_back(manifest.name, f"{type(error).__name__}: {error}")
            return
        self.loaded[manifest.name] = manifest
        self._kept.clear()

    def _check_hook_names(self, module: ModuleType) -> None:
        known = set(hookspecs.hook_names())
        for name, value in vars(module).items():
            if hasattr(value, "dougong_impl") and name not in known:
                raise AttributeError(f"there is no hook named {name}")

    def hold_back(self, name: str, reason: str) -> None:
        """Take a plugin out with everything that depends on it, and keep the reason."""
        self.held_back[name] = reason
        if self.loaded.pop(name, None):
            self._pluggy.unregister(name=name)
            self._kept.clear()
        for other in list(self.loaded.values()):
            if name in other.depends:
                self.hold_back(other.name, f"needs the plugin {name}, which is held back")

    def register_builtin(self, module: ModuleType, name: str) -> None:
        """Add hooks of the core itself; they always count."""
        self._pluggy.register(module, name=name)
        self._kept.clear()

    # Calling

    def collect(self, hook: str) -> list[Contribution[Any]]:
        """Call a ``register_*`` hook of each plugin; one that raises is held back.

        Items come in plugin order; within a plugin as returned.
        """
        found: list[Contribution[Any]] = []
        for name, function in self._implementations(hook, None):
            try:
                items = check_answer(hook, function())
            except (Exception, SystemExit) as error:  # the suite starts without it
                log.exception("plugin %s failed in %s", name, hook)
                self.hold_back(name, f"{hook}: {type(error).__name__}: {error}")
                continue
            found += [Contribution(name, item) for item in items]
        return [item for item in found if item.owner not in self.held_back]

    def call_in_transaction(
        self,
        hook: str,
        enabled: frozenset[str],
        /,
        *,
        within: Callable[[str], AbstractContextManager[Any]] = nullcontext,
        **arguments: Any,
    ) -> list[Any]:
        """Call each implementation; an exception becomes `HookFailed` and ends the transaction.

        Refusals of the suite itself (`core.errors.Refusal`) pass through as they are. ``within``
        gives what surrounds the call of a plugin, by its name.
        """
        answers: list[Any] = []
        for name, function in self._implementations(hook, enabled):
            with within(name):
                answers += self._call(name, hook, function, arguments) or ()
        return answers

    def ask(self, hook: str, enabled: frozenset[str], /, **arguments: Any) -> list[Any]:
        """Call a question hook; who raises is logged and gives no answer."""
        from core.errors import Refusal

        answers: list[Any] = []
        for name, function in self._implementations(hook, enabled):
            try:
                answer = self._call(name, hook, function, arguments)
            except HookFailed:
                continue
            except Refusal:  # there is nothing to refuse in a question
                log.exception("plugin %s failed in %s", name, hook)
                continue
            if answer is not None:
                answers.append(answer)
        return answers

    def ask_strictly(self, hook: str, enabled: frozenset[str], /, **arguments: Any) -> list[Any]:
        """Call a question hook whose failure must refuse, not be ignored: `HookFailed`."""
        answers: list[Any] = []
        for name, function in self._implementations(hook, enabled):
            answer = self._call(name, hook, function, arguments)
            if answer is not None:
                answers.append(answer)
        return answers

    def tell(self, plugin: str, hook: str, /, **arguments: Any) -> None:
        """Call one plugin's implementation, if it has one; a failure becomes `HookFailed`."""
        for name, function in self._implementations(hook, None):
            if name == plugin:
                self._call(name, hook, function, arguments)

    def _call(
        self, name: str, hook: str, function: Callable[..., Any], arguments: dict[str, Any]
    ) -> Any:
        """One implementation's checked answer; whatever else it does is `HookFailed`, and counted.

        A refusal of the suite is no failure, nor is that of another plugin further down.
        """
        from core.errors import Refusal

        try:
            answer = check_answer(hook, function(**_accepted(function, arguments)))
        except (Refusal, HookFailed):
            raise
        except (Exception, SystemExit) as error:
            log.exception("plugin %s failed in %s", name, hook)
            self.failures.failed(name, hook, error)
            raise HookFailed(name, hook, error) from error
        self.failures.answered(name, hook)
        return answer

    def has(self, hook: str, enabled: frozenset[str]) -> bool:
        """True when somebody enabled implements ``hook``: lets hot paths skip the work of asking."""
        return bool(self._implementations(hook, enabled))

    def implementations(self, hook: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        """(plugin, function) of all installed plugins, in plugin order."""
        return iter(self._implementations(hook, None))

    def _implementations(
        self, hook: str, enabled: frozenset[str] | None
    ) -> tuple[_Implementation, ...]:
        """(plugin, function), in plugin order and never in call order."""
        kept = self._kept.get((hook, enabled))
        if kept is None:
            kept = self._kept[hook, enabled] = tuple(self._find(hook, enabled))
        return kept

    def _find(self, hook: str, enabled: frozenset[str] | None) -> Iterator[_Implementation]:
        found = {
            impl.plugin_name: impl.function
            for impl in getattr(self._pluggy.hook, hook).get_hookimpls()
        }
        for name in found:
            if name == "core":
                yield name, found[name]
        for name in list(self.loaded):
            if name in found and (enabled is None or name in enabled):
                yield name, found[name]

    def folders(self, kind: str) -> dict[str, Path]:
        """``{plugin: folder}`` of a conventional folder such as ``templates``, where it exists."""
        return {
            name: manifest.folder / kind
            for name, manifest in self.loaded.items()
            if (manifest.folder / kind).is_dir()
        }

    def order(self, names: Iterable[str]) -> list[str]:
        """``names`` with dependencies first."""
        wanted = set(names)
        return [name for name in self.loaded if name in wanted]

    def dependants(self, name: str) -> list[str]:
        """Loaded plugins that need ``name``, directly."""
        return [other.name for other in self.loaded.values() if name in other.depends]

    def with_dependants(self, name: str) -> list[str]:
        """``name`` and the loaded plugins that need it, directly or not, in plugin order."""
        found = {name}
        for other in self.loaded.values():  # in an order in which needs come first
            if not found.isdisjoint(other.depends):
                found.add(other.name)
        return self.order(found)

    @contextmanager
    def guard(self, plugin: str, what: str) -> Iterator[None]:
        """Hold ``plugin`` back when the block raises."""
        try:
            yield
        except (Exception, SystemExit) as error:
            log.exception("plugin %s: %s", plugin, what)
            self.hold_back(plugin, f"{what}: {type(error).__name__}: {error}")


def _accepted(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that an implementation names: it may leave out what it does not need."""
    code: Sequence[str] = function.__code__.co_varnames[: function.__code__.co_argcount]
    return {name: arguments[name] for name in code if name in arguments}
