#!/usr/bin/env python3
"""Run a command with a throw-away PostgreSQL and Redis, where their programs are installed.

    tools/with_services.py [--require] COMMAND …

Sets DOUGONG_TEST_POSTGRES_URL and DOUGONG_TEST_REDIS_URL for the command, unless they are set
already. What is missing is named, and skipped; with --require it is an error. Everything is made
in a temporary folder, listens on 127.0.0.1 or a socket alone, and is gone afterwards.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

POSTGRES_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def find_postgres() -> Path | None:
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    for pattern in POSTGRES_PLACES:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            if (folder / "initdb").exists():
                return folder
    return None


def unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root: use its own user then."""
    if os.geteuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return ["runuser", "-u", name, "--"]
    return []


def start_postgres(folder: Path, stack: ExitStack) -> str | None:
    programs = find_postgres()
    if programs is None:
        return None
    prefix = unprivileged()
    data = folder / "postgres"
    data.mkdir()
    if prefix:
        folder.chmod(0o755)
        shutil.chown(data, prefix[2])
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    make = [
        str(programs / "initdb"),
        "-N",
        "-A",
        "trust",
        "-U",
        "dougong",
        "--locale=C.UTF-8",
        "-E",
        "UTF8",
        "-D",
        str(data),
    ]
    if subprocess.run([*prefix, *make], cwd="/", check=False, **quiet).returncode:
        make[make.index("--locale=C.UTF-8")] = "--locale=C"
        subprocess.run([*prefix, *make], cwd="/", check=True, **quiet)
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= "
        "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=200 "
        "-c shared_buffers=256MB"
    )
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run(
        [*prefix, *control, "-o", options, "-l", str(data / "log"), "start"],
        cwd="/",
        check=True,
        **quiet,
    )
    stop = [*prefix, *control, "-m", "immediate", "stop"]
    stack.callback(lambda: subprocess.run(stop, cwd="/", check=False, **quiet))
    return f"postgresql://dougong@127.0.0.1:{port}/postgres"


def start_redis(folder: Path, stack: ExitStack) -> str | None:
    program = shutil.which("redis-server")
    if program is None:
        return None
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"redis://127.0.0.1:{port}/0"
        time.sleep(0.05)
    raise RuntimeError("redis-server does not answer")


SERVICES = {
    "DOUGONG_TEST_POSTGRES_URL": ("PostgreSQL", start_postgres),
    "DOUGONG_TEST_REDIS_URL": ("Redis", start_redis),
}


def main() -> int:
    arguments = sys.argv[1:]
    required = arguments[:1] == ["--require"]
    command = arguments[1:] if required else arguments
    if not command:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    environment = dict(os.environ)
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="dougong-", ignore_cleanup_errors=True)
            )
        )
        for variable, (name, start) in SERVICES.items():
            if environment.get(variable):
                continue
            address = start(folder, stack)
            if address is not None:
                environment[variable] = address
            elif required:
                sys.exit(f"{name} is required and not installed")
            else:
                print(f"skipped: {name} is not installed, so its tests are left out", flush=True)
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
