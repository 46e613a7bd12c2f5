"""An Orthanc of one's own: started with an empty store and free ports, without network, and gone afterwards."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 30.0


@dataclass(frozen=True)
class Orthanc:
    """A running server on the loopback address."""

    dicom_port: int
    http_port: int

    def get(self, path: str) -> Any:
        """Returns a JSON answer of the REST interface."""
        return json.loads(self.content(path))

    def content(self, path: str) -> bytes:
        """Returns an answer of the REST interface as bytes."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=60) as answer:
            return answer.read()

    def store(self, folder: Path) -> None:
        """Sends all files of a folder by C-STORE, with storescu of DCMTK."""
        options = ["--scan-directories", "--recurse", "--required"]  # else DCMTK does not offer segmentations
        command = ["storescu", *options, "127.0.0.1", str(self.dicom_port), str(folder)]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)


def program() -> str | None:
    """Path of Orthanc; Debian has it where only root looks."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def running() -> Iterator[Orthanc]:
    """Yields a server; its store is removed at the end."""
    found = program()
    assert found, "needs Orthanc: apt-get install orthanc"
    with tempfile.TemporaryDirectory() as folder:
        server = Orthanc(_free_port(), _free_port())
        settings = {
            "StorageDirectory": folder,
            "IndexDirectory": folder,
            "HttpPort": server.http_port,
            "DicomPort": server.dicom_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowStore": True,
            "Plugins": [],
        }
        config = Path(folder) / "orthanc.json"
        config.write_text(json.dumps(settings))
        log = (Path(folder) / "log.txt").open("w")
        process = subprocess.Popen([found, str(config)], stdout=log, stderr=log)
        try:
            _wait(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=60)
            log.close()


def _wait(server: Orthanc, process: subprocess.Popen) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            server.get("/system")
            return
        time.sleep(0.2)
    raise RuntimeError("Orthanc did not start.")


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]
