"""D1, S1: what we stand on is pinned and not known to be bad; the repository holds no secret."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
#: The oldest versions without a hole that we know of, and what was wrong before.
SAFE = {
    "jinja2": ("3.1.6", "ways out of the sandbox (CVE-2024-56201, CVE-2024-56326, CVE-2025-27516)"),
    "flask": ("2.3.2", "a shared cache kept cookies of sessions (CVE-2023-30861)"),
    "werkzeug": ("3.0.6", "the cost of reading forms (CVE-2023-25577, CVE-2023-46136)"),
    "gunicorn": ("23.0.0", "requests smuggled in others (CVE-2024-1135, CVE-2024-6827)"),
    "defusedxml": ("0.7.1", "openpyxl reads XML safely only beside it"),
    "urllib3": ("2.5.0", "redirects that were switched off (CVE-2025-50181)"),
    "requests": ("2.32.4", "credentials sent to others (CVE-2024-47081)"),
    "idna": ("3.7", "the cost of odd names (CVE-2024-3651)"),
    "cryptography": ("44.0.1", "a hole in the OpenSSL that it brings (CVE-2024-12797)"),
    "reportlab": ("3.6.13", "code in colours of markup (CVE-2023-33733)"),
    "pillow": ("11.3.0", "pictures that write beyond their buffer (CVE-2025-48379)"),
    "nh3": ("0.2.15", "cleans by ammonia 4"),
}
#: What RELIABILITY warns of and is not used: who brings one of them in adds its version above.
ABSENT = ("weasyprint", "simpleeval", "pickle5", "dill")
#: What tools bring along and is not ours to pin.
UNPINNED = {"pip", "setuptools", "wheel", "dougong"}
SECRETS = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    "key of a cloud": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "token of a forge": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20})\b"),
    "secret in the environment": re.compile(
        r"^\s*(?:export )?DOUGONG_SECRET_KEY=[\"']?[\w/+-]{32,}", re.M
    ),
    "password in an address": re.compile(
        r"://[\w.-]+:(?!\.\.\.|(?i:password))[^\s:@/{}$<]{8,}@(?!db/x)"
    ),
}


def _pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.partition("#")[0].split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version.strip() for name, version in pairs}


def _installed() -> dict[str, Distribution]:
    return {canonicalize_name(each.metadata["Name"]): each for each in distributions()}


def _needed(installed: dict[str, Distribution]) -> set[str]:
    """What dougong asks for, and what that asks for, as far as it is installed."""
    found: set[str] = set()
    waiting = ["dougong"]
    while waiting:
        for line in installed[waiting.pop()].requires or ():
            name = canonicalize_name(Requirement(line).name)
            if name in installed and name not in found:
                found.add(name)
                waiting.append(name)
    return found


def _bad(versions: dict[str, str]) -> list[str]:
    return [
        f"{name} {versions[name]} is older than {oldest}: {why}"
        for name, (oldest, why) in SAFE.items()
        if name in versions and Version(versions[name]) < Version(oldest)
    ]


def test_installed_versions_are_pinned_and_safe():
    """D1: 100 % of what is needed is pinned, as it is installed, and none is known to be bad."""
    installed, pinned = _installed(), _pinned()
    needed = _needed(installed)
    assert needed >= {"flask", "sqlalchemy", "jinja2", "werkzeug", "defusedxml"}
    assert needed - pinned.keys() - UNPINNED == set()
    different = {n for n in needed - UNPINNED if installed[n].version != pinned[n]}
    assert different == set()
    assert _bad(pinned) == []
    assert [name for name in ABSENT if name in needed or name in pinned] == []


@pytest.mark.parametrize("name", SAFE)
def test_an_older_one_would_be_noticed(name):
    """Positive control."""
    assert _bad({name: "0.0.1"})


def test_the_linter_watches_over_random_numbers_and_hashes():
    """What is secret comes from the system's randomness, and no weak hash is used: rules S311, S324."""
    rules = tomllib.loads((ROOT / "ruff.toml").read_text())["lint"]
    assert "S" in rules["select"]
    loosened = {
        code
        for codes in (rules.get("ignore", []), *rules.get("per-file-ignores", {}).values())
        for code in codes
    }
    core = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "core").rglob("*.py")
        if re.search(r"noqa: [^\n]*S3(11|24)", path.read_text())
    ]
    assert not {"S3", "S311", "S324"} & loosened
    assert core == []


def _files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    ).stdout.decode()
    if not listed:
        pytest.skip("this is no clone: what is in the repository is not known")
    return [ROOT / name for name in listed.split("\0") if name]


def _found(text: str) -> set[str]:
    return {what for what, pattern in SECRETS.items() if pattern.search(text)}


def test_no_secret_is_in_the_repository():
    """S1: no key, no token, no password of a database, in any file that is kept."""
    own = Path(__file__)
    told = {
        path.relative_to(ROOT).as_posix(): _found(path.read_text(errors="ignore"))
        for path in _files()
        if path.is_file() and path != own and path.stat().st_size < 2_000_000
    }
    assert len(told) > 500
    assert {path: what for path, what in told.items() if what} == {}


def test_secrets_would_be_noticed():
    """Positive control: one of each kind."""
    samples = (
        "-----BEGIN RSA PRIVATE KEY-----",
        "AKIA" + "A" * 16,
        "ghp_" + "a" * 36,
        "DOUGONG_SECRET_KEY=" + "k" * 40,
        "postgresql://dougong:correcthorse@db.example/dougong",
    )
    assert set.union(*map(_found, samples)) == set(SECRETS)
