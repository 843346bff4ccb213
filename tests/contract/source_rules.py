"""Rules over our own source: dangerous calls, and doors to the outside that stay single (I1)."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["ALLOWED", "RULES", "Allowance", "Finding", "Rule", "check_source", "check_tree"]


@dataclass(frozen=True, order=True)
class Finding:
    """A place in the source that breaks a rule."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Rule:
    """A rule, the places it does not hold for, and samples that prove it works."""

    name: str
    message: str
    find: Callable[[Source], Iterable[ast.AST]]
    #: Path prefixes of the one module or package that may.
    homes: tuple[str, ...]
    bad: tuple[str, ...]
    good: tuple[str, ...]
    #: The folder whose files it holds for; empty for all.
    folder: str = ""


@dataclass(frozen=True)
class Allowance:
    """One file that may break one rule, and why."""

    path: str
    rule: str
    reason: str


class Source:
    """A parsed file that knows what its names mean."""

    def __init__(self, text: str) -> None:
        self.tree = ast.parse(text)
        self.nodes = list(ast.walk(self.tree))
        self.origins = dict(self._imported())
        self.defined = self._defined()
        self._built = self._built_names()

    @cached_property
    def calls(self) -> list[ast.Call]:
        return [node for node in self.nodes if isinstance(node, ast.Call)]

    @cached_property
    def names(self) -> list[tuple[ast.AST, str]]:
        """Each name and attribute with its origin."""
        named = (node for node in self.nodes if isinstance(node, ast.Name | ast.Attribute))
        return [(node, self.name_of(node)) for node in named]

    def name_of(self, node: ast.AST) -> str:
        """The dotted origin of a name or attribute; what is not imported begins with a dot."""
        if isinstance(node, ast.Name):
            if node.id in self.origins:
                return self.origins[node.id]
            return f".{node.id}" if node.id in self.defined else f"builtins.{node.id}"
        if isinstance(node, ast.Attribute):
            return f"{self.name_of(node.value)}.{node.attr}"
        return "."

    @cached_property
    def imports(self) -> list[tuple[ast.stmt, str]]:
        """Each imported module or member with its full name."""
        found: list[tuple[ast.stmt, str]] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += ((node, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found += ((node, f"{node.module}.{alias.name}") for alias in node.names)
        return found

    @cached_property
    def imports_by_name(self) -> list[ast.Call]:
        names = ("importlib.import_module", "builtins.__import__")
        return [call for call in self.calls if self.name_of(call.func) in names]

    def is_constant_text(self, node: ast.AST) -> bool:
        """A literal, or a name that this file binds only to literals at its top."""
        if isinstance(node, ast.Constant):
            return isinstance(node.value, str)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self.is_constant_text(node.left) and self.is_constant_text(node.right)
        return isinstance(node, ast.Name) and node.id in self._constants

    def is_built_text(self, node: ast.AST) -> bool:
        """Text put together at run time, here or in the variable that is passed."""
        if isinstance(node, ast.Name):
            return node.id in self._built
        if isinstance(node, ast.JoinedStr):
            return any(isinstance(part, ast.FormattedValue) for part in node.values)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            if self.is_constant_text(node):
                return False
            return any(
                _is_text(side) or self.is_built_text(side) for side in (node.left, node.right)
            )
        if isinstance(node, ast.IfExp):
            return self.is_built_text(node.body) or self.is_built_text(node.orelse)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            on_text = _is_text(node.func.value) or self.is_built_text(node.func.value)
            return on_text and node.func.attr in ("format", "format_map", "join", "replace")
        return False

    def _imported(self) -> Iterator[tuple[str, str]]:
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (top, top)
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                for alias in node.names:
                    yield alias.asname or alias.name, f"{module}.{alias.name}"

    def _defined(self) -> set[str]:
        names = {
            node.name
            for node in self.nodes
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        names |= {node.arg for node in self.nodes if isinstance(node, ast.arg)}
        return names | {name for name, _ in self._assignments()}

    def _assignments(self) -> Iterator[tuple[str, ast.expr]]:
        for node in self.nodes:
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
                targets = [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and (value := getattr(node, "value", None)):
                    yield target.id, value

    def _built_names(self) -> set[str]:
        """Names that hold built text; followed through assignments until nothing is added."""
        top = {
            name.id
            for node in self.tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for name in ast.walk(node)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }
        values: dict[str, list[ast.expr]] = {}
        for name, value in self._assignments():
            values.setdefault(name, []).append(value)
        self._constants = {
            name
            for name in top & values.keys()
            if all(isinstance(v, ast.Constant) and isinstance(v.value, str) for v in values[name])
        }
        built = {
            node.target.id
            for node in self.nodes
            if isinstance(node, ast.AugAssign)
            and isinstance(node.target, ast.Name)
            and (_is_text(node.value) and not isinstance(node.value, ast.Constant))
        }
        self._built = built
        while (
            found := {
                name for name, all_of in values.items() if any(map(self.is_built_text, all_of))
            }
            - built
        ):
            built |= found
        return built


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        return True
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _attribute(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


# -- what the rules look for ----------------------------------------------------------------------

_TEXT_SINK_NAMES = """
execute executemany executescript exec_driver_sql scalar scalars order_by group_by having where
filter distinct prefix_with suffix_with with_hint with_statement_hint op bool_op
"""
_TEXT_SINKS = frozenset(_TEXT_SINK_NAMES.split())
_SQL_TEXT = ("text", "literal_column", "DDL")


def _is_sql_text(source: Source, call: ast.Call) -> bool:
    origin = source.name_of(call.func)
    last = origin.rpartition(".")[2]
    return last in _SQL_TEXT and (origin.startswith("sqlalchemy.") or origin.startswith("alembic."))


def find_built_sql(source: Source) -> Iterator[ast.AST]:
    for call in source.calls:
        values = [*call.args, *(k.value for k in call.keywords if k.arg in ("statement", "text"))]
        if _is_sql_text(source, call):
            if values and not source.is_constant_text(values[0]):
                yield call
        elif _attribute(call) in _TEXT_SINKS and any(map(source.is_built_text, values)):
            yield call


def find_raw_sql(source: Source) -> Iterator[ast.AST]:
    for call in source.calls:
        if _attribute(call) in ("exec_driver_sql", "raw_connection", "cursor", "executescript"):
            yield call


def find_markup(source: Source) -> Iterator[ast.AST]:
    for call in source.calls:
        if source.name_of(call.func) in ("markupsafe.Markup", "flask.Markup") and any(
            not source.is_constant_text(value) for value in call.args
        ):
            yield call


_DYNAMIC_CALL_NAMES = """
builtins.eval builtins.exec builtins.compile builtins.__import__ os.system os.popen
subprocess.getoutput subprocess.getstatusoutput asyncio.create_subprocess_shell
yaml.load yaml.load_all yaml.unsafe_load yaml.full_load code.interact
"""
_DYNAMIC_CALLS = frozenset(_DYNAMIC_CALL_NAMES.split())
_DYNAMIC_MODULES = ("pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle")


def find_dynamic_code(source: Source) -> Iterator[ast.AST]:
    for call in source.calls:
        shell = [k.value for k in call.keywords if k.arg == "shell"]
        has_shell = any(not (isinstance(v, ast.Constant) and v.value is False) for v in shell)
        if has_shell or source.name_of(call.func) in _DYNAMIC_CALLS:
            yield call
    yield from _imports_of(*_DYNAMIC_MODULES)(source)


def _imports_of(*modules: str) -> Callable[[Source], Iterator[ast.AST]]:
    """Imports of the modules or of anything in them, plain or by name at run time."""

    def find(source: Source) -> Iterator[ast.AST]:
        for node, name in source.imports:
            if _is_within(name, modules):
                yield node
        for call in source.imports_by_name:
            first = call.args[0] if call.args else None
            if isinstance(first, ast.Constant) and _is_within(str(first.value), modules):
                yield call

    return find


def _is_within(name: str, modules: Iterable[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _uses_of(*names: str) -> Callable[[Source], Iterator[ast.AST]]:
    """Uses of these names, called or handed on; an import alone is no use."""

    def find(source: Source) -> Iterator[ast.AST]:
        yield from (node for node, name in source.names if name in names)

    return find


_NETWORK_MODULES = """
http.client urllib.request urllib3 requests httpx aiohttp pycurl ftplib telnetlib xmlrpc websocket
websockets
"""


def find_templates(source: Source) -> Iterator[ast.AST]:
    yield from _uses_of(
        "flask.render_template_string",
        "flask.templating.render_template_string",
    )(source)
    makers = ("Environment", "Template", "SandboxedEnvironment", "NativeEnvironment")
    for call in source.calls:
        origin = source.name_of(call.func)
        is_jinja = origin.startswith("jinja2.") and origin.rpartition(".")[2].endswith(makers)
        if is_jinja or _attribute(call) == "from_string":
            yield call


def find_binary_writes(source: Source) -> Iterator[ast.AST]:
    for call in source.calls:
        is_function = source.name_of(call.func) in ("builtins.open", "io.open", "os.fdopen")
        modes = [*call.args[:2], *(k.value for k in call.keywords if k.arg == "mode")]
        is_writing = any(map(_is_writing_mode, modes))
        opens = is_function or _attribute(call) == "open"
        if _attribute(call) == "write_bytes" or (opens and is_writing):
            yield call


def _is_writing_mode(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return False
    mode = set(node.value)
    return bool(mode & set("wax+")) and "b" in mode and mode <= set("rwaxbt+")


#: Tell the present time unless they are given this many arguments.
_PRESENT_UNLESS = {"time.localtime": 1, "time.gmtime": 1, "time.ctime": 1, "time.strftime": 2}


def find_clocks(source: Source) -> Iterator[ast.AST]:
    yield from _uses_of(
        *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
        "datetime.date.today",
        "time.time",
        "time.time_ns",
    )(source)
    for call in source.calls:
        arguments = _PRESENT_UNLESS.get(source.name_of(call.func))
        if arguments is not None and len(call.args) < arguments:
            yield call


def find_unbounded_numbers(source: Source) -> Iterator[ast.AST]:
    for call in source.calls:
        of_request = isinstance(call.func, ast.Attribute) and call.func.attr in ("get", "getlist")
        kinds = [source.name_of(word.value) for word in call.keywords if word.arg == "type"]
        if of_request and kinds in (["builtins.int"], ["builtins.float"]):
            yield call


def find_commits(source: Source) -> Iterator[ast.AST]:
    for call in source.calls:
        if _attribute(call) in ("commit", "begin") and not (call.args or call.keywords):
            yield call


def find_all_entities(source: Source) -> Iterator[ast.AST]:
    """``….snapshot.entities`` and ``….snapshot.enabled``, whatever the snapshot is held by."""
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr in ("entities", "enabled"):
            of = node.value
            held = of.attr if isinstance(of, ast.Attribute) else getattr(of, "id", "")
            if held == "snapshot":
                yield node


# -- the rules ------------------------------------------------------------------------------------

RULES: tuple[Rule, ...] = (
    Rule(
        "built-sql",
        "SQL text is put together at run time; bind values, and take names from an allow-list",
        find_built_sql,
        homes=(),
        bad=(
            "import sqlalchemy as sa\nsa.text(f'select {x}')",
            "from sqlalchemy import text as t\nt('select %s' % x)",
            "from sqlalchemy import text\ntext('select ' + x)",
            "from sqlalchemy import text\ntext('select {}'.format(x))",
            "from sqlalchemy import text\ntext(x)",
            "from sqlalchemy.sql import literal_column\nliteral_column(name)",
            "session.execute('delete from ' + table)",
            "sql = 'select 1'\nsql += f' where {x}'\nconnection.execute(sql)",
            "def f(x):\n    q = f'drop {x}'\n    r = q\n    db.exec_driver_sql(r)",
            "query.order_by(f'{column} desc')",
            "query.order_by(column + ' desc')",
            "query.group_by(', '.join(names))",
            "column.op('->> %s' % key)(1)",
            "from alembic import op\nop.execute(f'alter table {x}')",
            "connection.execute(statement='a' + b)",
            "query.where('a' if b else f'{c}')",
        ),
        good=(
            "from sqlalchemy import text\ntext('select 1')",
            "from sqlalchemy import text\ntext('select '\n     'a from b')",
            "from sqlalchemy import text\n_SQL = 'select 1'\ntext(_SQL)",
            "from sqlalchemy import text\ntext('select 1 ' + 'from b')",
            "session.execute(select(a).where(b == f'{c}'))",
            "query.order_by(column.desc())",
            "query.where(column == 'a' + b)",
            "text(f'{x}')",
            "from core.i18n import text\ntext(f'{x}')",
            "', '.join(names)",
            "where = a + b\nquery.where(where)",
        ),
    ),
    Rule(
        "raw-sql",
        "drivers are spoken to in core/db only",
        find_raw_sql,
        homes=("core/db/",),
        bad=(
            "connection.exec_driver_sql('pragma foreign_keys=on')",
            "engine.raw_connection()",
            "dbapi.cursor()",
            "c.executescript('a; b')",
        ),
        good=("session.execute(select(a))", "cursor = 1", "after(cursor=cursor)"),
    ),
    Rule(
        "markup",
        "only constant text is markup; give values to .format(), which escapes them",
        find_markup,
        homes=(),
        bad=(
            "from markupsafe import Markup\nMarkup(f'<b>{x}</b>')",
            "import markupsafe as m\nm.Markup(x)",
            "from markupsafe import Markup as M\nM('<b>' + x)",
            "from flask import Markup\nMarkup('<b>%s</b>' % x)",
        ),
        good=(
            "from markupsafe import Markup\nMarkup('<b>{}</b>').format(x)",
            "from markupsafe import Markup\nMarkup('')",
            "from markupsafe import Markup\nMarkup.escape(x)",
            "from markupsafe import Markup\n_B = '<b>'\nMarkup(_B)",
            "Markup(x)",
        ),
    ),
    Rule(
        "dynamic-code",
        "text never becomes code, and only JSON becomes objects",
        find_dynamic_code,
        homes=(),
        bad=(
            "eval(x)",
            "exec('a')",
            "compile(x, '', 'eval')",
            "import builtins\nbuiltins.eval(x)",
            "import pickle",
            "from marshal import loads",
            "import importlib\nimportlib.import_module('pickle')",
            "__import__('os')",
            "import yaml\nyaml.load(x, Loader=y)",
            "import os\nos.system('ls')",
            "from os import popen\npopen('ls')",
            "import subprocess\nsubprocess.run('ls', shell=True)",
            "import subprocess\nsubprocess.run(x, shell=flag)",
        ),
        good=(
            "import re\nre.compile('a')",
            "from core.expressions import compile\ncompile(x)",
            "def eval(x): ...\neval(1)",
            "import subprocess\nsubprocess.run(['ls'], shell=False)",
            "import yaml\nyaml.safe_load(x)",
            "worker.exec()",
        ),
    ),
    Rule(
        "egress",
        "core.egress is the one way out over the network",
        _imports_of(*_NETWORK_MODULES.split()),
        homes=("core/egress.py",),
        bad=(
            "import http.client",
            "from http import client",
            "import urllib.request as r",
            "from urllib.request import urlopen",
            "from urllib import request",
            "import requests",
            "import httpx",
            "def f():\n    import urllib3",
            "import importlib\nimportlib.import_module('requests')",
        ),
        good=(
            "from http import HTTPStatus",
            "from urllib.parse import urlsplit",
            "from flask import request",
            "from core.egress import EgressClient",
            "import requests_of_ours",
        ),
    ),
    Rule(
        "sockets",
        "core.egress opens the sockets; mail has its own door",
        _imports_of("socket", "ssl", "socketserver"),
        homes=("core/egress.py", "core/mail/sender.py"),
        bad=("import socket", "from ssl import create_default_context"),
        good=("import select", "from core import socket_names"),
    ),
    Rule(
        "mail",
        "core.mail is the one mailer",
        _imports_of("smtplib", "poplib", "imaplib", "aiosmtplib"),
        homes=("core/mail/sender.py",),
        bad=("import smtplib", "from imaplib import IMAP4"),
        good=("from email.message import EmailMessage", "from core.mail import MailMessage"),
    ),
    Rule(
        "xml",
        "core.xml is the one XML parser",
        _imports_of("xml", "lxml", "defusedxml", "xmltodict", "pyexpat"),
        homes=("core/xml.py",),
        bad=("import xml.etree.ElementTree as ET", "from lxml import etree", "import defusedxml"),
        good=("from core.xml import parse_xml", "import xmlschema_of_ours"),
    ),
    Rule(
        "templates",
        "core.theming makes the one template environment; text of users is never a template",
        find_templates,
        homes=("core/theming/",),
        bad=(
            "from jinja2 import Environment\nEnvironment()",
            "import jinja2\njinja2.Template(x)",
            "from jinja2.sandbox import SandboxedEnvironment as S\nS()",
            "from flask import render_template_string\nrender_template_string(x)",
            "environment.from_string(x)",
        ),
        good=(
            "from flask import render_template\nrender_template('a.html')",
            "from jinja2 import Environment\ndef f(e: Environment): ...",
            "from string import Template\nTemplate('a')",
        ),
    ),
    Rule(
        "table-writing",
        "core.tabular.writer writes the tables, for it disarms formulas",
        lambda source: [
            *_imports_of("xlsxwriter", "openpyxl", "xlwt")(source),
            *_uses_of("csv.writer", "csv.DictWriter")(source),
        ],
        homes=("core/tabular/writer.py",),
        bad=(
            "import xlsxwriter",
            "import csv\ncsv.writer(x)",
            "from csv import DictWriter as W\nW(x)",
        ),
        good=("import csv\ncsv.Error", "from core.tabular.writer import write_rows"),
    ),
    Rule(
        "table-reading",
        "core.tabular reads the tables, for it bounds them",
        lambda source: [
            *_imports_of("python_calamine", "openpyxl", "xlrd")(source),
            *_uses_of("csv.reader", "csv.DictReader")(source),
        ],
        homes=("core/tabular/",),
        bad=(
            "import python_calamine",
            "import csv\ncsv.reader(x)",
            "from csv import DictReader as R\nR(x)",
        ),
        good=("import csv\ncsv.Sniffer()", "reader(x)"),
    ),
    Rule(
        "printing",
        "core.documents draws what is printed, for in its texts nothing is markup",
        _imports_of("reportlab", "PIL", "weasyprint", "fpdf"),
        homes=("core/documents/",),
        bad=(
            "import reportlab",
            "from reportlab.platypus import Paragraph",
            "from PIL import Image",
        ),
        good=("from core.documents import Document",),
    ),
    Rule(
        "buckets",
        "core.files.storage is the one file store",
        _imports_of("boto3", "botocore", "s3transfer", "minio"),
        homes=("core/files/storage.py",),
        bad=("import boto3", "from botocore.config import Config"),
        good=("from core.files import Storage",),
    ),
    Rule(
        "binary-writes",
        "files of users are written by core.files.storage only",
        find_binary_writes,
        homes=("core/files/storage.py",),
        bad=(
            "open(p, 'wb')",
            "open(p, mode='ab')",
            "path.open('xb')",
            "path.open(mode='r+b')",
            "path.write_bytes(x)",
            "import os\nos.fdopen(d, 'wb')",
        ),
        good=(
            "open(p, 'rb')",
            "open(p)",
            "path.open('w')",
            "storage.open(key)",
            "open('web', 'r')",
        ),
    ),
    Rule(
        "clock",
        "core.clock.Clock tells the time, so that tests can move it",
        find_clocks,
        homes=("core/clock.py",),
        bad=(
            "from datetime import datetime\ndatetime.now()",
            "from datetime import datetime as d\nd.utcnow()",
            "import datetime\ndatetime.date.today()",
            "from datetime import date\nfield(default=date.today)",
            "import time\ntime.time()",
            "from time import time\ntime()",
            "import time as t\nt.time_ns()",
            "import time\ntime.strftime('%Y')",
            "import time\ntime.localtime()",
        ),
        good=(
            "import time\ntime.monotonic()",
            "import time\ntime.perf_counter(); time.sleep(1)",
            "clock.now()",
            "from sqlalchemy import func\nfunc.now()",
            "from datetime import datetime\ndatetime.fromisoformat(x)",
            "import time\ntime.localtime(x)",
            "import time\ntime.strftime('%Y', x)",
        ),
    ),
    Rule(
        "numbers-sent",
        "core.http.addresses.read_number reads numbers, for it bounds them as databases do",
        find_unbounded_numbers,
        homes=(),
        bad=(
            "request.args.get('before', type=int)",
            "form.get('version', 0, type=int)",
            "request.args.getlist('ids', type=int)",
        ),
        good=("read_number(request.args.get('before'))", "click.option('--id', type=int)"),
    ),
    Rule(
        "commits",
        "core.work.uow is what commits, or opens a transaction that will",
        find_commits,
        homes=("core/work/uow.py", "core/db/"),
        bad=(
            "session.commit()",
            "self.session.connection().commit()",
            "with engine.begin() as c: ...",
        ),
        good=("commit()", "session.flush()", "session.begin_nested()", "git.commit('message')"),
    ),
    Rule(
        "closed-entities",
        "a plugin that tries itself out is closed to some: uow.entities and uow.open_plugins are"
        " what the actor has",
        find_all_entities,
        homes=(),
        folder="plugins/",
        bad=(
            "uow.snapshot.entities['lead']",
            "snapshot = uow.snapshot\nsnapshot.entities.get('lead')",
            "if 'crm_leads' in uow.snapshot.enabled: ...",
        ),
        good=(
            "uow.entities.get('lead')",
            "uow.open_plugins",
            "uow.snapshot.installed_entities['lead']",
            "runtime.entities",
        ),
    ),
)

#: The reasoned exceptions. A test fails for an entry that is no longer needed.
ALLOWED: tuple[Allowance, ...] = (
    Allowance(
        "core/exchange/commands.py",
        "binary-writes",
        "the report of an import goes where the operator said on the command line",
    ),
    Allowance(
        "core/exchange/plans/commands.py",
        "binary-writes",
        "what a dry run refuses goes where the operator said on the command line",
    ),
    Allowance(
        "core/exchange/plans/preparing.py",
        "binary-writes",
        "rows that stand in a plan become a file of our own naming, in a folder that is gone afterwards",
    ),
    Allowance(
        "core/tabular/sheetscan.py",
        "xml",
        "it looks at workbooks of any size as they unpack, and refuses every declaration it meets",
    ),
    Allowance(
        "core/db/bulk.py",
        "built-sql",
        "an INSERT that SQLAlchemy compiles of the columns of a table; values are bound",
    ),
    Allowance(
        "core/db/portable.py",
        "built-sql",
        "reads and writes all columns of a table; names are quoted, values are bound or copied",
    ),
    Allowance(
        "core/db/structure.py",
        "built-sql",
        "drops and makes tables, columns and indexes by their quoted names",
    ),
    Allowance(
        "core/db/numbers.py",
        "built-sql",
        "reads the counters of tables by their quoted names",
    ),
    Allowance(
        "core/pools/models.py",
        "built-sql",
        "the condition of a partial index, which a plugin declares as a constant",
    ),
    Allowance(
        "core/files/icons.py",
        "printing",
        "lays the company's logo on a plate; there is no text in it",
    ),
    Allowance(
        "core/backup/archive.py",
        "binary-writes",
        "a backup goes where the operator or the settings say, under a name of our making",
    ),
    Allowance(
        "core/testing/databases.py",
        "built-sql",
        "makes, empties and drops throw-away databases, by names of its own making",
    ),
    Allowance(
        "core/testing/databases.py",
        "raw-sql",
        "several statements in one round trip, on throw-away databases",
    ),
    Allowance(
        "core/testing/databases.py",
        "commits",
        "throw-away databases are put back outside any unit of work",
    ),
    Allowance(
        "core/testing/installation.py",
        "raw-sql",
        "one PRAGMA on a throw-away database",
    ),
    Allowance(
        "core/mail/sender.py",
        "binary-writes",
        "without a mail server messages go to .eml files in the home, for the operator to read",
    ),
    Allowance(
        "core/runtime.py",
        "commits",
        "a read transaction: its connection is opened with write=False and has nothing to commit",
    ),
    Allowance(
        "plugins/activities/recurring.py",
        "closed-entities",
        "a rule of the business: a series ends when what it is about is gone, whoever acts",
    ),
)


# -- running them ---------------------------------------------------------------------------------


def check_source(text: str, path: str = "<text>") -> list[Finding]:
    """All findings in one file, allowances not yet applied; ``path`` decides on homes."""
    source = Source(text)
    findings = {
        Finding(path, getattr(node, "lineno", 1), rule.name, rule.message)
        for rule in RULES
        if not path.startswith(rule.homes or ("\0",)) and path.startswith((rule.folder, "<"))
        for node in rule.find(source)
    }
    return sorted(findings)


def check_tree(root: Path, folders: Iterable[str] = ("core", "plugins")) -> list[Finding]:
    """All findings in the Python files of ``folders``, tests aside, allowances not yet applied."""
    findings: list[Finding] = []
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            relative = path.relative_to(root)
            if "tests" not in relative.parts:
                findings += check_source(path.read_text("utf-8"), relative.as_posix())
    return findings
