"""Metrics as text: for a scrape, and for node_exporter's textfile collector."""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

from alchemiser_cli.errors import AlchemiserError, DiskFullError, HomeNotWritableError

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family
    from prometheus_client.registry import Collector

__all__ = ["PLAIN_TEXT", "exposition", "negotiated", "write_textfile"]

PLAIN_TEXT = "text/plain; version=0.0.4; charset=utf-8"

# node_exporter runs as another user, and what is in the file is what a scrape would show.
_TEXTFILE_MODE = 0o644


def exposition(registry: "Collector") -> bytes:
    """Return the registry in Prometheus' text format (version 0.0.4), UTF-8.

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/.
    """
    from prometheus_client.exposition import generate_latest

    return generate_latest(_WithoutCreated(registry))


def negotiated(registry: "Collector", accept: str) -> tuple[bytes, str]:
    """Return the registry in the format that an ``Accept`` header prefers, and its media type.

    The choice is prometheus_client's: OpenMetrics 1.0 where it is asked for, else the text
    format; a header that cannot be read gets the text format.
    """
    from prometheus_client.exposition import choose_encoder

    try:
        encode, content_type = choose_encoder(" ".join(accept.split()))
    except (TypeError, ValueError):  # a version that is no version
        return exposition(registry), PLAIN_TEXT
    if content_type.startswith("text/plain"):
        return encode(_WithoutCreated(registry)), content_type
    return encode(registry), content_type


def write_textfile(registry: "Collector", file: Path) -> None:
    """Put the exposition at ``file``: a temporary file in the same folder, synced, then renamed.

    node_exporter sees the old or the new file and nothing between; the temporary one does not
    end in ``.prom``, so it is not read. The mode is 0644: node_exporter is another user.

    Raises:
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``; the file that was there stays.
    """
    content = exposition(registry)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _TEXTFILE_MODE)
        with os.fdopen(descriptor, "wb") as writing:
            os.fchmod(descriptor, _TEXTFILE_MODE)  # whatever the process's umask is
            writing.write(content)
            writing.flush()
            os.fsync(descriptor)
        temporary.replace(file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _storage_error(error, file) from error


class _WithoutCreated:
    """A registry without the ``_created`` samples, which the text format has no place for.

    The library would make a gauge of each; its switch against that is global to the process.
    """

    def __init__(self, registry: "Collector") -> None:
        self._registry = registry

    def collect(self) -> "Iterable[Family]":
        for family in self._registry.collect():
            created = f"{family.name}_created"
            shown = copy(family)
            shown.samples = [sample for sample in family.samples if sample.name != created]
            yield shown


def _storage_error(error: OSError, file: Path) -> AlchemiserError:
    context: dict[str, object] = {"path": str(file), "errno": error.errno}
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(
            f"no space was left to write {file}",
            why=f"The file system answered: {error.strerror}.",
            next_step="Free some space; node_exporter shows the last file until then.",
            context=context,
        )
    return HomeNotWritableError(
        f"the metrics file {file} cannot be written",
        why=f"The file system answered: {error.strerror or error}.",
        next_step="Make its folder and let this user write there, or correct telemetry.textfile.",
        context=context,
    )
