"""How well the miner's templates group a file of messages whose true groups are known."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors.journal.templates import TemplateGroup, TemplateMiner
from alchemiser_cli.errors.market import (
    DatasetColumnsError,
    DatasetNotFoundError,
    DatasetUnreadableError,
)

__all__ = ["TemplateScore", "grouping_accuracy", "score_templates"]

MESSAGE_COLUMNS = ("content", "message", "msg", "text")
TRUTH_COLUMNS = ("eventid", "eventtemplate", "template", "group", "label")


class TemplateScore(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one file; ``grouping_accuracy`` is from 0 to 1."""

    file: str
    message_column: str
    truth_column: str
    messages: int
    groups: int
    true_groups: int
    grouping_accuracy: float
    messages_per_s: float
    largest: list[TemplateGroup]


def score_templates(file: Path, clock: Clock) -> TemplateScore:
    """Group the messages of a CSV file and compare with its ground-truth column.

    The message column is named Content, message, msg or text; the truth column EventId,
    EventTemplate, template, group or label, in any case.

    Raises:
        DatasetNotFoundError: ``dataset-not-found``.
        DatasetUnreadableError: ``dataset-unreadable``, also when there is no row.
        DatasetColumnsError: ``dataset-columns``.
    """
    names, messages, truth = _read(file)
    miner = TemplateMiner()
    started_ns = clock.monotonic_ns()
    predicted = [miner.group(message) for message in messages]
    seconds = max(1, clock.monotonic_ns() - started_ns) / NS_PER_SECOND
    groups = miner.groups()
    return TemplateScore(
        file=str(file),
        message_column=names[0],
        truth_column=names[1],
        messages=len(messages),
        groups=len(groups),
        true_groups=len(set(truth)),
        grouping_accuracy=grouping_accuracy(predicted, truth),
        messages_per_s=len(messages) / seconds,
        largest=sorted(groups, key=lambda group: (-group.count, group.id))[:10],
    )


def grouping_accuracy(predicted: Sequence[int], truth: Sequence[str]) -> float:
    """Return the share of messages whose group has exactly the messages of a true group.

    Source: Zhu et al., "Tools and Benchmarks for Automated Log Parsing", ICSE-SEIP 2019.
    """
    found: dict[int, list[int]] = defaultdict(list)
    true: dict[str, list[int]] = defaultdict(list)
    for row, (group, label) in enumerate(zip(predicted, truth, strict=True)):
        found[group].append(row)
        true[label].append(row)
    right = sum(len(rows) for rows in found.values() if true[truth[rows[0]]] == rows)
    return right / len(truth)


def _read(file: Path) -> tuple[tuple[str, str], list[str], list[str]]:
    if not file.is_file():
        raise DatasetNotFoundError(
            f"there is no file {file}",
            why="`bench templates` reads a CSV file with a message and a ground-truth column.",
            next_step="Check the path.",
        )
    try:
        with file.open(encoding="utf-8", newline="") as text:
            rows = csv.DictReader(text)
            header = list(rows.fieldnames or ())
            names = _column(file, header, MESSAGE_COLUMNS), _column(file, header, TRUTH_COLUMNS)
            pairs = [(row[names[0]] or "", row[names[1]] or "") for row in rows]
    except (OSError, UnicodeError, csv.Error) as error:
        raise _unreadable(file, str(error)) from error
    if not pairs:
        raise _unreadable(file, "It has no row.")
    return names, [message for message, _ in pairs], [label for _, label in pairs]


def _column(file: Path, header: Iterable[str], wanted: Sequence[str]) -> str:
    by_name = {name.strip().lower(): name for name in header}
    for name in wanted:
        if name in by_name:
            return by_name[name]
    raise DatasetColumnsError(
        f"{file} has no column named {', '.join(wanted[:-1])} or {wanted[-1]}",
        why=f"Its columns are: {', '.join(by_name) or 'none'}.",
        next_step="Name the message column `message` and the ground truth `group`.",
        context={"file": str(file), "columns": list(by_name)},
    )


def _unreadable(file: Path, why: str) -> DatasetUnreadableError:
    return DatasetUnreadableError(
        f"{file} cannot be read as CSV", why=why, next_step="Save it as CSV in UTF-8."
    )
