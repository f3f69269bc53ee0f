"""Checks of the home, the disk, permissions and the limit of open files."""

import os
import shutil
import stat
import tempfile
from functools import partial
from pathlib import Path

from alchemiser_cli.checks import Check
from alchemiser_cli.errors import (
    DiskSpaceLowError,
    FileLimitLowError,
    HomeNotWritableError,
    PermissionsTooOpenError,
)
from alchemiser_cli.preflight.setup import LIVE, PRODUCTION, Setup

__all__ = ["checks"]

MEGABYTE = 1_000_000


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``files``."""
    check = partial(setup.check, "files")
    writable = "home can be written"
    return [
        check(writable, "home-not-writable", lambda: _home(setup.settings.home)),
        check(
            "disk has room",
            "disk-space-low",
            lambda: _disk(setup),
            blocks_in=LIVE,
            needs=(writable,),
        ),
        check(
            "files are private",
            "permissions-too-open",
            lambda: _permissions(setup),
            blocks_in=PRODUCTION,
            needs=(writable,),
        ),
        check(
            "enough files may be opened",
            "file-limit-low",
            lambda: _open_files(setup.settings.preflight.min_open_files),
            blocks_in=LIVE,
        ),
    ]


def _home(home: Path) -> str:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=home, prefix=".preflight-") as probe:
            probe.write(b"probe")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise HomeNotWritableError(
            f"the home {home} cannot be written",
            why=str(error),
            next_step="Choose a writable folder with --home or ALCHEMISER_HOME.",
            context={"home": str(home)},
        ) from error
    return str(home)


def _disk(setup: Setup) -> str:
    home = setup.settings.home
    wanted = setup.settings.preflight.min_disk_free_megabytes
    free = shutil.disk_usage(home).free // MEGABYTE
    if free < wanted:
        raise DiskSpaceLowError(
            f"{free} MB are free where the home is",
            why=f"preflight.min_disk_free_megabytes asks for {wanted} MB.",
            next_step=f"Free space on the disk of {home}, or choose another --home.",
            context={"free_megabytes": free},
        )
    return f"{free} MB free"


def _permissions(setup: Setup) -> str:
    home = setup.settings.home
    private = [home, *home.glob("*.db"), *home.glob("logs/*.jsonl"), *home.glob("run/*")]
    private += setup.resolved.secret_files
    found = [file for file in private if stat.S_IMODE(file.stat().st_mode) & 0o077]
    if found:
        names = " ".join(str(file) for file in found)
        raise PermissionsTooOpenError(
            f"{len(found)} private file(s) can be read by others",
            why=f"Group or others have rights on {names}.",
            next_step=f"chmod go= {names}",
            context={"files": [str(file) for file in found]},
        )
    return f"{len(private)} files for the owner only"


def _open_files(wanted: int) -> str:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raise FileLimitLowError(
            f"only {soft} files may be open at once",
            why=f"preflight.min_open_files asks for {wanted}: connections, segments, logs.",
            next_step=f"ulimit -n {wanted}, or LimitNOFILE={wanted} in the service's unit.",
            context={"soft_limit": soft},
        )
    return f"{soft} files"
