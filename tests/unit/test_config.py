"""The configuration is read strictly, and keeps its secrets (S1, A10)."""

from __future__ import annotations

import re
import stat
from multiprocessing import get_context
from pathlib import Path

import pytest

from core.config import Config, ConfigError

KEY = "k3Jx9Qm2vT7wLz5RbN8cYd4HfGpSaEuU"


def _read(home: Path, **settings: str) -> Config:
    names = {f"DOUGONG_{name}": value for name, value in settings.items()}
    return Config.from_environment({"DOUGONG_HOME": str(home), **names})


def test_an_empty_environment_is_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config.from_environment({})
    assert config.home == tmp_path / "var"
    assert config.database_url == f"sqlite:///{tmp_path}/var/dougong.db"
    assert config.storage_url == f"file://{tmp_path}/var/files"
    assert (config.replica_url, config.redis_url, config.smtp_url) == (None, None, None)
    assert (str(config.timezone), config.locale) == ("Asia/Shanghai", "zh_CN")
    assert (config.proxy_hops, config.test_clock, config.plugin_folders) == (0, False, ())
    assert (config.log_level, config.mail_from) == ("INFO", "dougong@localhost")


def test_every_setting_is_read(tmp_path):
    config = _read(
        tmp_path,
        DATABASE_URL="postgresql://u:p@db/x",
        REPLICA_URL="postgres://u:p@replica/x",
        REDIS_URL="redis://r:6379/0",
        SECRET_KEY=KEY,
        STORAGE_URL="s3://bucket/a?endpoint=https://s3.example",
        BASE_URL="https://crm.example/",
        TIMEZONE="Europe/Berlin",
        LOCALE="EN",
        PLUGINS_PATH=str(tmp_path),
        SMTP_URL="smtp://u:p@mail.example:587?starttls=1",
        PROXY_HOPS="2",
        TEST_CLOCK="1",
        WORKERS="3",
        THREADS="5",
        LOG_LEVEL="debug",
    )
    assert config.database_url == "postgresql+psycopg://u:p@db/x"
    assert config.replica_url == "postgresql+psycopg://u:p@replica/x"
    assert (config.redis_url, config.secret_key) == ("redis://r:6379/0", KEY)
    assert config.base_url == "https://crm.example"
    assert config.mail_from == "dougong@crm.example"
    assert (str(config.timezone), config.locale) == ("Europe/Berlin", "en")
    assert config.plugin_folders == (tmp_path,)
    assert (config.proxy_hops, config.test_clock) == (2, True)
    assert (config.workers, config.threads, config.log_level) == (3, 5, "DEBUG")
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://u:hunter2@h/x"),
        ("DATABASE_URL", "dougong.db"),
        ("REPLICA_URL", "oracle://h"),
        ("REDIS_URL", "http://u:hunter2@r"),
        ("STORAGE_URL", "/srv/files"),
        ("STORAGE_URL", "ftp://h/"),
        ("SMTP_URL", "mail.example:25"),
        ("SMTP_URL", "imap://u:hunter2@h"),
        ("BASE_URL", "crm.example"),
        ("BASE_URL", "javascript:alert(1)"),
        ("TIMEZONE", "Mars/Olympus"),
        ("TIMEZONE", "../../etc/passwd"),
        ("LOCALE", "tlh"),
        ("PLUGINS_PATH", "/no/such/folder"),
        ("PROXY_HOPS", "-1"),
        ("PROXY_HOPS", "many"),
        ("PROXY_HOPS", "１"),
        ("WORKERS", "0"),
        ("THREADS", "1.5"),
        ("TEST_CLOCK", "maybe"),
        ("LOG_LEVEL", "LOUD"),
        ("SECRET_KEY", "hunter2"),
        ("SECRET_KEY", KEY[:31]),
        ("SECRET_KEY", "a" * 64),
        ("SECRET_KEY", "changeme-please-with-something-secret-0123456789"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path, name, value):
    """A10: the message says which variable and what to do, but repeats no password."""
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path / "home", **{name: value})
    assert f"DOUGONG_{name}" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value).partition(": ")[2].split()) >= 3
    assert not (tmp_path / "home").exists()


def test_the_representation_has_no_secret(tmp_path):
    config = _read(
        tmp_path,
        DATABASE_URL="postgresql://u:hunter2@db/x",
        REPLICA_URL="postgresql://u:hunter2@db/x",
        REDIS_URL="redis://:hunter2@r",
        SMTP_URL="smtp://u:hunter2@h",
        STORAGE_URL="s3://hunter2:x@b",
        SECRET_KEY=KEY,
    )
    assert "hunter2" not in repr(config)
    assert KEY not in repr(config)


def test_a_key_is_made_once_and_kept_private(tmp_path):
    home = tmp_path / "a" / "b"
    first = _read(home).secret_key
    assert re.fullmatch(r"[\w-]{64}", first)
    assert _read(home).secret_key == first
    assert stat.S_IMODE((home / "secret.key").stat().st_mode) == 0o600
    assert _read(tmp_path / "other").secret_key != first


def test_a_key_file_left_empty_by_a_crash_is_filled(tmp_path):
    (tmp_path / "secret.key").touch(mode=0o600)
    made = _read(tmp_path).secret_key
    assert (tmp_path / "secret.key").read_text().strip() == made


def test_a_short_key_in_the_home_is_refused(tmp_path):
    (tmp_path / "secret.key").write_text("short\n")
    with pytest.raises(ConfigError, match=r"secret\.key.*delete the file"):
        _read(tmp_path)


def test_a_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="DOUGONG_HOME"):
        _read(tmp_path / "file" / "home")


def _race(home: str, barrier, keys) -> None:
    barrier.wait()
    keys.put(Config.from_environment({"DOUGONG_HOME": home}).secret_key)


def test_processes_that_start_together_agree_on_the_key(tmp_path):
    context = get_context("fork")
    for attempt in range(5):
        barrier, keys = context.Barrier(6), context.Queue()
        home = str(tmp_path / str(attempt))
        racers = [context.Process(target=_race, args=(home, barrier, keys)) for _ in range(6)]
        for racer in racers:
            racer.start()
        found = {keys.get(timeout=20) for _ in racers}
        for racer in racers:
            racer.join()
        assert len(found) == 1
