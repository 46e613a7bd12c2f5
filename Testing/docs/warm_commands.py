"""Runs the commands of the guides in forks of a process that has imported their libraries.

A new process imports PyTorch and MONAI for six seconds, which is most of the time of a small command. The fork runs the
same ``main`` with the same arguments, folder, environment and streams. Testing/install runs the installed command.

    python warm_commands.py SOCKET        the server; it ends with its parent
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forked_command import become_command, load_libraries

__all__ = ["warm_commands"]

#: The command on the PATH of a guide; it imports next to nothing.
_CLIENT = """\
#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({socket!r})
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(asked).to_bytes(8, "big")], [0, 1, 2])
server.sendall(asked)
sys.exit(int(server.makefile().readline()))
"""


@contextmanager
def warm_commands(folder: Path) -> Iterator[None]:
    """Puts a command ``tumorgen`` into ``folder``, which works as long as the block runs."""
    path = folder / "socket"
    helpers = os.pathsep.join(str(Path(__file__).parents[1] / name) for name in ("core", "docs"))
    server = subprocess.Popen(
        [sys.executable, __file__, str(path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": helpers}
    )
    try:
        assert server.stdout is not None and server.stdout.readline() == b"ready\n"
        client = folder / "tumorgen"
        client.write_text(_CLIENT.format(python=sys.executable, socket=str(path)))
        client.chmod(0o755)
        yield
    finally:
        server.kill()
        server.wait()


def _serve(path: str) -> None:
    load_libraries(["TumorGenCore.cohort.plan"])
    assert threading.active_count() == 1
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while True:
            asked, _ = listener.accept()
            with asked:
                _run(asked)


def _run(asked: socket.socket) -> None:
    """Runs one command in a fork and answers its exit status."""
    size, streams, _, _ = socket.recv_fds(asked, 8, 3)
    text = b""
    while len(text) < int.from_bytes(size, "big"):
        text += asked.recv(2**16)
    arguments, folder, environment = json.loads(text)
    if (child := os.fork()) == 0:
        _be(arguments, folder, environment, streams)
    for stream in streams:
        os.close(stream)
    asked.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())


def _be(arguments: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> None:
    """Becomes the command, and never returns."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["tumorgen", *arguments]
    become_command(arguments)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    _serve(sys.argv[1])
