"""``alchemiser dlq``: list, show and redrive dead letters."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption, TopicOption
from alchemiser_cli.commands.signals import stop_on_signal
from alchemiser_cli.errors import UsageError
from alchemiser_cli.render.dead_letters import (
    letter_view,
    letters_view,
    reasons_view,
    redrive_view,
)
from alchemiser_cli.render.output import show as show_view
from alchemiser_cli.render.stream import warn_of_own_cluster
from alchemiser_cli.streaming import Cluster, TickDecoder, open_cluster, open_registry
from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer
from alchemiser_cli.streaming.dead_letters import (
    DeadLetterReader,
    ListedLetter,
    RedriveMemory,
    Redriver,
    Selection,
    count_by_reason,
    dead_letter_topic,
    list_letters,
)
from alchemiser_cli.streaming.files import locked, make_private_folder

if TYPE_CHECKING:
    from alchemiser_cli.settings import Settings

__all__ = ["app"]

_LOCK_FILE = ".redrive.lock"

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List, show and redrive dead letters."
)

FromOption = Annotated[
    str | None,
    typer.Option(
        "--dlq",
        metavar="NAME",
        help="Topic of the dead letters, where another program named it.",
        show_default="TOPIC.dlq",
    ),
]
CodeOption = Annotated[str | None, typer.Option(metavar="CODE", help="Only this error code.")]
ReasonOption = Annotated[
    str | None, typer.Option(metavar="REASON", help="Only this reason, as `dlq list` shows it.")
]


@dataclass(frozen=True)
class _Opened:
    """What each command works with: ``topic`` is the source, ``dlq`` holds its dead letters."""

    settings: "Settings"
    cluster: Cluster
    reader: DeadLetterReader
    memory: RedriveMemory
    topic: str
    dlq: str


@app.command("list", epilog="Example: `alchemiser dlq list --by-reason`.")
def list_dead_letters(
    context: typer.Context,
    topic: TopicOption = None,
    dlq: FromOption = None,
    code: CodeOption = None,
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most letters to show.")] = 50,
    by_reason: Annotated[
        bool, typer.Option("--by-reason", help="Count by family, code and reason.")
    ] = False,
    open_only: Annotated[
        bool, typer.Option("--open", help="Leave out what was sent back already.")
    ] = False,
    output: OutputOption = None,
) -> None:
    """List the dead letters of a topic, the newest first; nothing is committed or changed.

    Also those of Kafka Connect, Spring Kafka and Kafka Streams are read: name their topic
    with --dlq.
    """
    with _open(context.obj, topic, dlq) as opened:
        letters = Selection(code, reason).among(opened.reader.read(opened.dlq))
        if by_reason:
            counts = count_by_reason(letters, opened.memory, open_only=open_only)
            view = reasons_view(counts, opened.topic, opened.dlq)
        else:
            listing = list_letters(letters, opened.memory, limit=limit, open_only=open_only)
            view = letters_view(listing, opened.topic, opened.dlq)
    show_view(view, output)


@app.command(epilog="Example: `alchemiser dlq show 2-17`.")
def show(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Id of a dead letter.")],
    topic: TopicOption = None,
    dlq: FromOption = None,
    output: OutputOption = None,
) -> None:
    """Show one dead letter: what happened, its value, its headers, and what to do next."""
    with _open(context.obj, topic, dlq) as opened:
        letter = opened.reader.find(opened.dlq, identity)
        view = letter_view(ListedLetter(letter, opened.memory.redriven_at_ns(letter)))
    show_view(view, output)


@app.command(
    epilog="Examples: `alchemiser dlq redrive --all --dry-run`, `alchemiser dlq redrive 2-17 2-18`."
)
def redrive(
    context: typer.Context,
    identities: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Ids of dead letters.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the topic holds.")] = False,
    code: CodeOption = None,
    reason: ReasonOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")
    ] = False,
    topic: TopicOption = None,
    dlq: FromOption = None,
    output: OutputOption = None,
) -> None:
    """Send dead letters back to their topic as they were, each once.

    Each is acknowledged and remembered before the next one goes. A process that is killed
    between the two leaves one letter that a second redrive sends again. What failed again after
    dead_letters.max_redrives stays; exit code 6 if that leaves nothing to send.
    """
    _check_choice(identities, every=every, code=code, reason=reason)
    with stop_on_signal() as stop, _open(context.obj, topic, dlq) as opened:
        letters = (
            [opened.reader.find(opened.dlq, one) for one in dict.fromkeys(identities)]
            if identities
            else Selection(code, reason).among(opened.reader.read(opened.dlq))
        )
        settings, limit = opened.settings, opened.settings.dead_letters.max_redrives
        make_private_folder(settings.run_folder)
        with (
            locked(settings.run_folder / _LOCK_FILE),
            nullcontext()
            if dry_run
            else AcknowledgedProducer(settings.kafka, opened.cluster.bootstrap) as producer,
        ):
            redriver = Redriver(
                opened.topic,
                opened.memory,
                context.obj.clock,
                max_redrives=limit,
                producer=producer,
            )
            result = asyncio.run(redriver.redrive(letters, stop))
    show_view(redrive_view(result), output)
    stop.exit_if_requested()
    result.refuse_if_all_loop(limit)


@contextmanager
def _open(invocation: Invocation, topic: str | None, dlq: str | None) -> Iterator[_Opened]:
    settings = invocation.start_logs()
    source = topic or settings.topics.ticks
    name = dlq or dead_letter_topic(source)
    decoder = TickDecoder(open_registry(settings.registry, settings.registry_url))
    with open_cluster(settings.kafka, settings.topics, settings.run_folder) as cluster:
        warn_of_own_cluster(cluster)
        reader = DeadLetterReader(settings.kafka, cluster.bootstrap, invocation.clock, decoder)
        reader.require_one(name, source)
        memory = RedriveMemory(invocation.state, invocation.clock, name)
        yield _Opened(settings, cluster, reader, memory, source, name)


def _check_choice(
    identities: list[str] | None, *, every: bool, code: str | None, reason: str | None
) -> None:
    by_kind = code is not None or reason is not None
    if bool(identities) + every + by_kind != 1:
        raise UsageError(
            "it is not clear which dead letters to send back",
            why="They are chosen by their ids, or by --reason and --code, or by --all.",
            next_step="For example: alchemiser dlq redrive --all --dry-run",
        )
