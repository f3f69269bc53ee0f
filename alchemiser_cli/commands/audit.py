"""``alchemiser audit``: read the audit trails, and prove that nobody changed them."""

import getpass
from collections import deque
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.commands.options import OutputOption
from alchemiser_cli.commands.parsing import since_ns
from alchemiser_cli.errors import (
    AlchemiserError,
    AuditCorruptError,
    AuditTrailNotFoundError,
    UsageError,
)
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.render.output import show as show_result
from alchemiser_cli.render.progress import progress_bar
from alchemiser_cli.settings.signing_key import lasting_signing_key

if TYPE_CHECKING:
    from alchemiser_cli.trading.audit import AuditHead, Verification

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Read the audit trails, and prove that nobody changed them.",
)


def _events(incomplete: str) -> list[str]:
    from alchemiser_cli.trading.audit import AuditEvent

    return [name for name in get_args(AuditEvent) if name.startswith(incomplete.upper())]


@app.command(
    epilog="Examples: `alchemiser audit show --event trade_rejected --since 2h`, "
    "`alchemiser audit show paper --symbol SPX -o json`."
)
def show(
    context: typer.Context,
    trail: Annotated[
        str | None,
        typer.Argument(help="Name of the trail.", show_default="the one written last"),
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="Only this event.", autocompletion=_events)
    ] = None,
    strategy: Annotated[str | None, typer.Option(help="Only this strategy.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="AGE|TIME", help="Only since then: 30m, 2h, 7d or an ISO time."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most lines to show.")] = 50,
    output: OutputOption = None,
) -> None:
    """Show a trail's lines, the newest last."""
    from alchemiser_cli.render.audit import show_view
    from alchemiser_cli.trading.audit import newest_trail, read_trail, trail_folder

    invocation: Invocation = context.obj
    folder = invocation.settings.audit_folder
    wanted_event = _event(event)
    after = since_ns(since, invocation.clock.now_ns()) if since else None
    found = trail_folder(folder, trail or newest_trail(folder) or "")
    matching = (
        one
        for one in read_trail(found, since_ns=after)
        if wanted_event in (None, one.event)
        and strategy in (None, one.strategy_id)
        and symbol in (None, one.symbol)
    )
    newest = deque(enumerate(matching, 1), limit)
    matched = newest[-1][0] if newest else 0
    show_result(show_view(found.name, [one for _, one in newest], matched), output)


@app.command(epilog="Examples: `alchemiser audit verify`, `alchemiser audit verify paper -o json`.")
def verify(
    context: typer.Context,
    trail: Annotated[
        str | None, typer.Argument(help="Name of the trail.", show_default="all of them")
    ] = None,
    unsigned: Annotated[
        bool,
        typer.Option(
            "--unsigned", help="Trails from before signing.key was set: do not ask for signatures."
        ),
    ] = False,
    output: OutputOption = None,
) -> None:
    """Prove that nothing was edited, left out or cut off; exits with 7 where something was.

    Each line's hash and place are checked, and the newest line that was anchored in the state
    database.
    """
    from alchemiser_cli.render.audit import verify_view
    from alchemiser_cli.trading.audit import trail_folder, trails, verify_trail

    invocation: Invocation = context.obj
    folder = invocation.settings.audit_folder
    anchors, no_anchors = _anchors(invocation)
    if trail is None:
        names = sorted({*trails(folder), *anchors})
    else:
        names = [trail if trail in anchors else trail_folder(folder, trail).name]
    key = None if unsigned else lasting_signing_key(invocation.resolved)
    found: dict[str, Verification] = {}
    with progress_bar("Verifying") as advance:
        for name in names:
            before = sum(one.entries for one in found.values())
            found[name] = verify_trail(
                folder / name,
                key=key,
                anchor=anchors.get(name),
                progress=lambda lines, before=before: advance(before + lines, None),  # type: ignore[misc]  # mypy cannot infer a default's type
            )
    show_result(verify_view(found, anchors, no_anchors=no_anchors, folder=str(folder)), output)
    _end(found)


@app.command(
    epilog="Examples: `alchemiser audit accept paper --reason "
    '"restored from the backup of 2 May, ticket 71"`.'
)
def accept(
    context: typer.Context,
    trail: Annotated[str, typer.Argument(help="Name of the trail.")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="What was found; it is recorded.")
    ],
    author: Annotated[
        str | None, typer.Option("--by", help="Who accepts it.", show_default="you")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Forget a trail's anchor, after its fault was looked into, so that its writer can start.

    The trail itself is not changed; what was forgotten goes to the log channel `audit`.
    """
    from alchemiser_cli.logs import get_logger
    from alchemiser_cli.render.audit import accept_view
    from alchemiser_cli.trading.audit import AnchorStore

    invocation: Invocation = context.obj
    settings = invocation.start_logs()
    store = AnchorStore(invocation.state)
    head = store.load(trail)
    if head is None:
        raise AuditTrailNotFoundError(
            f"no audit trail {trail!r} is anchored",
            why=f"The state database of {settings.home} knows no head of it.",
            next_step="See the trails and their anchors: alchemiser audit verify",
            context={"trail": trail},
        )
    by = author or getpass.getuser()
    get_logger("audit", "commands.audit").warning(
        "audit_anchor_forgotten",
        trail=trail,
        sequence=head.sequence,
        hash=head.hash,
        reason=reason,
        by=by,
    )
    store.forget(trail)
    show_result(accept_view(head, reason, by), output)


def _event(name: str | None) -> str | None:
    from alchemiser_cli.trading.audit import AuditEvent

    if name is None or name.upper() in get_args(AuditEvent):
        return None if name is None else name.upper()
    raise UsageError(
        f"{name!r} is not an event of the audit trail",
        why=f"Events are: {', '.join(get_args(AuditEvent))}.",
        next_step="For example: alchemiser audit show --event trade_rejected",
    )


def _anchors(invocation: Invocation) -> tuple[dict[str, "AuditHead"], str | None]:
    """Return the anchored heads, or why they cannot be read; no database is made for that."""
    from alchemiser_cli.trading.audit import AnchorStore

    settings = invocation.settings
    file = settings.home / "state.db"
    if settings.state.url is None and not file.exists():
        return {}, f"{file} does not exist."
    try:
        return {head.trail: head for head in AnchorStore(invocation.state).all()}, None
    except AlchemiserError as error:
        return {}, f"{error.what}. {error.why}"


def _end(found: "dict[str, Verification]") -> None:
    """End with 7 where a trail is not whole; what a crash alone leaves is no alarm."""
    bad = {name: one for name, one in found.items() if not one.ok}
    if not bad:
        return
    if all(one.kind == "torn_tail" for one in bad.values()):
        raise typer.Exit(ExitCode.CORRUPT)
    name, first = next((name, one) for name, one in bad.items() if one.kind != "torn_tail")
    raise AuditCorruptError(
        f"the audit trail {name} is not whole: {first.kind or 'it cannot be proved'}",
        why=f"{first.detail}.",
        next_step="Leave every file as it is: alchemiser errors runbook audit-corrupt",
        context={"trail": name, "kind": first.kind, "first_bad": first.first_bad},
    )
