"""Checks of shared memory: room for weights, and the segments that are there."""

import os
import shutil
import stat
from functools import partial

from alchemiser_cli.checks import Check
from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import SegmentUnhealthyError, SharedMemoryFullError
from alchemiser_cli.preflight.setup import LIVE, Setup
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import SEGMENT_PREFIX, diagnose_all

__all__ = ["checks"]

MEGABYTE = 1_000_000


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``shm``."""
    check = partial(setup.check, "shm")
    room = "shared memory has room"
    return [
        check(room, "shared-memory-full", lambda: _room(setup), blocks_in=LIVE),
        check(
            "segments are ours and private",
            "segment-unhealthy",
            lambda: _segments(setup),
            needs=(room,),
        ),
    ]


def _room(setup: Setup) -> str:
    directory = setup.settings.shm.directory
    wanted = setup.settings.shm.min_free_megabytes
    try:
        free = shutil.disk_usage(directory).free // MEGABYTE
    except OSError as error:
        raise SharedMemoryFullError(
            f"{directory} cannot be used",
            why=str(error),
            next_step="Mount a tmpfs there, or set shm.directory to one.",
        ) from error
    if free < wanted:
        raise SharedMemoryFullError(
            f"{free} MB are free in {directory}",
            why=f"shm.min_free_megabytes asks for {wanted} MB.",
            next_step="Remove segments that nobody uses, or enlarge the tmpfs.",
            context={"free_megabytes": free},
        )
    return f"{free} MB free in {directory}"


def _segments(setup: Setup) -> str:
    directory = setup.settings.shm.directory
    faults = []
    segments = sorted(directory.glob(f"{SEGMENT_PREFIX}*"))
    for segment in segments:
        found = segment.stat()
        if found.st_uid != os.getuid():
            faults.append(f"{segment.name} belongs to user id {found.st_uid}")
        if stat.S_IMODE(found.st_mode) != 0o600:
            faults.append(f"{segment.name} has mode {stat.S_IMODE(found.st_mode):04o}, not 0600")
        if found.st_size == 0:
            faults.append(f"{segment.name} is empty")
    faults += _corruptions(setup.settings.shm, setup.clock)
    if faults:
        raise SegmentUnhealthyError(
            f"{len(faults)} fault(s) in the segments of {directory}",
            why="; ".join(faults),
            next_step="Look at them: alchemiser shm status",
            context={"faults": faults},
        )
    return f"{len(segments)} segments"


def _corruptions(settings: ShmSettings, clock: Clock) -> list[str]:
    """Return what is corrupt, of the files that are segments of ours."""
    return [
        f"{SEGMENT_PREFIX}{one.facts.name} is corrupt: {one.judgement.findings[0]}"
        for one in diagnose_all(settings, clock)
        if one.judgement.verdict == "corrupt" and one.facts.problem not in {"foreign", "unreadable"}
    ]
