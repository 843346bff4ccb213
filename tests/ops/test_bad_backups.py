"""Backups that must not be trusted: each is refused with a reason, before anything is written."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from core.backup.archive import ArchiveReader
from core.backup.envelope import MAGIC
from core.backup.writing import verify_backup, write_backup
from core.entities import service
from core.errors import Refused
from core.i18n import use_locale
from core.ops.restore import restore_backup

pytestmark = pytest.mark.databases("sqlite")
PASSPHRASE = "correct horse battery"


@pytest.fixture
def good(runtime, unit_of_work, tmp_path):
    with unit_of_work() as uow:
        service.create(uow, "specimen", [{"name": f"n{n}"} for n in range(30)])
    write_backup(runtime, tmp_path / "good")
    write_backup(runtime, tmp_path / "sealed", passphrase=PASSPHRASE)
    return tmp_path / "good"


def _rebuilt(source, target, change=lambda members, manifest: None, pack=None) -> None:
    """The archive with other members, as somebody hostile makes it: its digest is right again."""
    with zipfile.ZipFile(source) as old:
        members = {name: old.read(name) for name in old.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(members, manifest)
    if "manifest.json" in members:
        members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        new.comment = b"0" * 64
        for name, content in members.items():
            new.writestr(name, content)
        for name in pack or ():
            new.writestr(name, b"twice")
    _sign(target)


def _sign(target) -> None:
    content = target.read_bytes()[:-64]
    target.write_bytes(content + hashlib.sha256(content).hexdigest().encode())


def _refused(grounds, path, match: str, passphrase: str | None = None) -> None:
    there = grounds.empty("sqlite")
    with use_locale("en"), pytest.raises(Refused, match=match):
        restore_backup(there, path, passphrase=passphrase)
    assert not (there.config.home / "dougong.db").exists()
    assert list(there.storage.iter_keys()) == []


def test_the_rebuilt_archive_itself_is_taken(good, grounds, tmp_path):
    """The positive control of what follows: unchanged, it restores."""
    _rebuilt(good, tmp_path / "same")
    assert restore_backup(grounds.empty("sqlite"), tmp_path / "same").rows > 0


@pytest.mark.long
def test_each_flipped_bit_and_each_cut_is_noticed(good, tmp_path):
    """Q3: places over the whole of the file, in clear and sealed."""
    for name, passphrase, places in (("good", None, 40), ("sealed", PASSPHRASE, 4)):
        content = (tmp_path / name).read_bytes()
        for place in range(0, len(content), max(1, len(content) // places)):
            if name == "sealed" and place < 44:
                continue  # the header asks for work there: it has its own test
            changed = bytearray(content)
            changed[place] ^= 1 << (place % 8)
            for wrong in (bytes(changed), content[:place]):
                (tmp_path / "wrong").write_bytes(wrong)
                with pytest.raises(Refused):
                    verify_backup(tmp_path / "wrong", passphrase)


def test_a_sealed_one_needs_its_passphrase(good, grounds, tmp_path):
    """Q3: none, or the wrong one; and a header that asks for all the memory there is."""
    _refused(grounds, tmp_path / "sealed", "passphrase")
    _refused(grounds, tmp_path / "sealed", "passphrase", "wrong")
    greedy = MAGIC + bytes(16) + (1).to_bytes(4) + (2**31).to_bytes(4) + (4).to_bytes(4)
    (tmp_path / "greedy").write_bytes(greedy + bytes(100))
    _refused(grounds, tmp_path / "greedy", "sealed", "any")


def _format(members, manifest) -> None:
    manifest["format"] = 99


def _newer(members, manifest) -> None:
    manifest["owners"]["core"]["revision"] = "9999"


def _module(members, manifest) -> None:
    manifest["owners"]["not_here"] = {"version": "1", "revision": None}


def _no_manifest(members, manifest) -> None:
    del members["manifest.json"]


def _climbing(members, manifest) -> None:
    members["../../etc/evil"] = b"x"


def _row(members, manifest) -> None:
    members["tables/core_user.jsonl"] += b"[1]\n"


def _short_row(members, manifest) -> None:
    table = manifest["tables"]["core_user"]
    content = b"[1]\n"
    members["tables/core_user.jsonl"] = content
    table["rows"], table["sha256"] = 1, hashlib.sha256(content).hexdigest()


def _injected_table(members, manifest) -> None:
    shape = manifest["tables"].pop("core_setting")
    shape["shape"]["name"] = 'x" ; DROP TABLE core_user; --'
    manifest["tables"][shape["shape"]["name"]] = shape


def _injected_delete(members, manifest) -> None:
    for table in manifest["tables"].values():
        for reference in table["shape"]["references"]:
            reference["on_delete"] = "CASCADE; DROP TABLE core_user"


def _file_outside(members, manifest) -> None:
    content = json.dumps(["../../../evil", 1, hashlib.sha256(b"x").hexdigest()]).encode() + b"\n"
    members["files.jsonl"] = content
    members["files/../../../evil"] = b"x"
    manifest["files"] = {
        "count": 1,
        "sha256": hashlib.sha256(content).hexdigest(),
        "missing": [],
    }


def _zone_outside(members, manifest) -> None:
    manifest["timezone"] = "../../../etc/passwd"


HOSTILE = (
    _format,
    _newer,
    _module,
    _no_manifest,
    _climbing,
    _row,
    _short_row,
    _injected_table,
    _injected_delete,
    _file_outside,
    _zone_outside,
)


def test_what_a_hostile_archive_says_is_not_believed(good, grounds, tmp_path):
    """Q3: another format, a newer version, missing parts, names and words that are no names."""
    there = grounds.empty("sqlite")
    for change in HOSTILE:
        _rebuilt(good, tmp_path / "hostile", change)
        with pytest.raises(Refused):
            restore_backup(there, tmp_path / "hostile")
        assert not (there.config.home / "dougong.db").exists(), change.__name__
        assert list(there.storage.iter_keys()) == []


@pytest.mark.long
def test_a_disk_that_fills_up_meanwhile_leaves_all_as_it_was(good, grounds):
    """Q3: the reason is told, nothing is half there, and with more room it can be run again."""
    there = grounds.empty("sqlite")
    command = [sys.executable, "-c", "from core.cli import main; main()", "restore", str(good)]
    environment = {
        **{key: value for key, value in os.environ.items() if "DOUGONG" not in key},
        "DOUGONG_HOME": str(there.config.home),
        "DOUGONG_SECRET_KEY": there.config.secret_key,
        "DOUGONG_PLUGINS_PATH": os.pathsep.join(map(str, there.config.plugin_folders)),
        "DOUGONG_LOCALE": "en",
    }
    most = (100_000, 100_000)  # bytes of a file: it cannot grow, as on a full disk
    limited = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, most),
    )
    assert limited.returncode == 1
    assert "disk" in limited.stderr
    assert "Traceback" not in limited.stderr
    assert list(there.config.home.glob("*.db*")) == []
    assert restore_backup(there, good).rows > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_full_disk_leaves_no_backup_that_looks_like_one(runtime, tmp_path, passphrase):
    """Q3: the reason is told, half a file is not kept, and the backup before stays."""
    (tmp_path / "daily").write_bytes(b"the one of yesterday")
    part = tmp_path / "daily.unchecked.part"
    part.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_backup(runtime, tmp_path / "daily", passphrase=passphrase)
    assert [each.name for each in tmp_path.glob("daily*")] == ["daily"]
    assert (tmp_path / "daily").read_bytes() == b"the one of yesterday"


def test_a_name_may_not_occur_twice(good, grounds, tmp_path):
    """Q3: of two members of one name, one would be checked and the other be read."""
    with pytest.warns(UserWarning, match="Duplicate"):
        _rebuilt(good, tmp_path / "twice", pack=["files.jsonl"])
    _refused(grounds, tmp_path / "twice", "twice")


def test_what_does_not_fit_on_the_disk_is_refused(good, grounds, monkeypatch):
    """Q3: a bomb says how large it is, or is cut at what it says."""
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(1, 1, 1000))
    _refused(grounds, good, "free")


def test_a_member_never_gives_more_than_it_says(good, tmp_path):
    """Q3: a bomb whose directory lies is cut off."""
    read: list[bytes] = []
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as new:
        new.comment = b"0" * 64
        new.writestr("manifest.json", b"{}")
        new.writestr("bomb", bytes(10_000_000))
    content = (tmp_path / "bomb").read_bytes()
    (tmp_path / "bomb").write_bytes(
        content.replace((10_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    )
    _sign(tmp_path / "bomb")
    with (
        pytest.raises(Refused, match="CRC"),
        ArchiveReader(tmp_path / "bomb", None) as archive,
        archive.member("bomb") as member,
    ):
        read.append(member.read())
    assert sum(map(len, read)) <= 10
