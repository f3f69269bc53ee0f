"""A PostgreSQL server of one's own for tests: the distribution's programs, gone with the block."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["postgresql_programs", "temporary_postgresql"]

NOBODY = 65534


def postgresql_programs() -> Path | None:
    """Return the folder of the newest installed server's programs, or None."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(installed, key=lambda program: float(program.parts[-3]), default=None)
    return newest and newest.parent


@contextmanager
def temporary_postgresql(programs: Path) -> Iterator[str]:
    """Yield the URL of a fresh server on loopback that keeps its data in a temporary folder.

    The server refuses to run as root; root starts it as nobody.

    Raises:
        subprocess.CalledProcessError: the server could not be made or started.
    """
    as_root = os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="alchemiser-pg-"))
    if as_root:
        os.chown(folder, NOBODY, NOBODY)
    data = str(folder / "data")

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), *arguments],
            check=True,
            cwd=folder,
            timeout=60,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=NOBODY if as_root else None,
            group=NOBODY if as_root else None,
            extra_groups=[] if as_root else None,
        )

    try:
        run("initdb", "-D", data, "-U", "desk", "-A", "trust", "-N")
        port = _free_port()
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-D", data, "-w", "-o", options, "start")
        try:
            yield f"postgresql://desk@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
