"""docs/plugins/tutorial.md is followed literally, in a folder outside the tree."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/plugins/tutorial.md"
#: Either a block of commands, or the name of a file and the block of its contents.
BLOCK = re.compile(
    r"```console\n(?P<commands>.*?)```|^`(?P<path>[^`\n]+)`\n\n```\w+\n(?P<text>.*?)```",
    re.S | re.M,
)


def steps() -> list[tuple[str, str]]:
    """(``run``, command) and (path, contents), in the order of the page."""
    found = []
    for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if match["path"]:
            found.append((match["path"], match["text"]))
        else:
            lines = match["commands"].splitlines()
            found += [("run", line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]
    return found


class Reader:
    """A patient reader with one shell."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.served: subprocess.Popen | None = None
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DOUGONG_", "PYTEST"))}
        self.environment = kept | {"PATH": path, "DOUGONG_LOCALE": "en"}

    def run(self, command: str) -> str:
        """What the command prints; exported and assigned variables are kept."""
        command = command.replace("8123", str(self.port))
        if command.endswith("&"):
            return self.serve(command.rstrip("& "))
        keep = f"{command}\nstatus=$?\nenv -0 > .environment\nexit $status"
        done = subprocess.run(
            ["bash", "-a", "-c", keep],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
        pairs = (self.folder / ".environment").read_text(encoding="utf-8").split("\0")
        self.environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return done.stdout

    def serve(self, command: str) -> str:
        self.served = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder, env=self.environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=(self.folder / "served.log").open("wb"),
        )  # fmt: skip
        for _attempt in range(150):
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1) as answer:
                    return answer.read().decode()
            except OSError:
                assert self.served.poll() is None, (self.folder / "served.log").read_text()
                time.sleep(0.2)
        raise AssertionError("the server did not start")

    def stop(self) -> None:
        if self.served is not None:
            os.killpg(self.served.pid, signal.SIGTERM)
            try:
                self.served.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.served.pid, signal.SIGKILL)
                self.served.wait(15)


@pytest.fixture
def reader(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = Reader(tmp_path, port)
    yield found
    found.stop()


def test_the_page_has_files_and_commands():
    kinds = [kind for kind, _text in steps()]
    assert kinds.count("run") >= 15
    assert len(set(kinds) - {"run"}) == 4


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_tutorial_works_as_it_is_written(reader):
    assert shutil.which("curl"), "the tutorial uses curl"
    answers = []
    for kind, text in steps():
        if kind == "run":
            answers.append((text, reader.run(text)))
        else:
            path = reader.folder / kind
            assert path.parent.is_dir(), kind
            path.write_text(text, encoding="utf-8")
    curls = [answer for command, answer in answers if command.startswith("curl")]
    created, refused, retired, listed, gone, back = curls
    assert '"serial":"A-1"' in created.replace(": ", ":")
    assert '"negative"' in refused
    assert '"retired":1' in retired.replace(": ", ":")
    assert "CK6140" in listed
    assert '"status":404' in gone.replace(": ", ":")
    assert '"retired"' in back
