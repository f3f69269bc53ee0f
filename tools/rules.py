"""The rules that ruff, mypy and import-linter cannot express, each a function over one source."""

import ast
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tools.event_rules import events_are_typed, producers_in_streaming
from tools.source import Finding, Source

__all__ = ["RULES", "Rule"]

Rule = Callable[[Source], Iterator[Finding]]

PACKAGE = "alchemiser_cli"
MOST_LINES = 300
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
DRAWERS = {"manager", "handler", "helper", "util", "utils", "common", "misc"}
DRAWERS |= {f"{name}s" for name in DRAWERS}
OPENERS = {
    *("open", "mkdir", "makedirs", "touch", "mkdtemp", "mkstemp"),
    *("read_text", "read_bytes", "write_text", "write_bytes"),
    *("connect", "create_engine", "CDLL", "Popen", "basicConfig", "dictConfig"),
}


class Ban(NamedTuple):
    """Names that may be used only in some places of the package."""

    rule: str
    names: frozenset[str]
    only_in: tuple[str, ...]
    message: str


BANS = (
    Ban(
        "no-print",
        frozenset({"print", "exit", "quit", "sys.exit", "os._exit"}),
        ("app.py", "commands", "render"),
        "{name}: the core returns results and raises errors; the shell prints and exits",
    ),
    Ban(
        "one-clock",
        frozenset(
            {f"time.{name}" for name in ("time", "monotonic", "perf_counter", "process_time")}
            | {f"time.{name}_ns" for name in ("time", "monotonic", "perf_counter", "process_time")}
            | {f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")}
            | {"datetime.date.today", "time.sleep"}
        ),
        ("clock.py", "faults"),  # a fault must end by a clock that no fault touches
        "{name}: time comes from the Clock that is passed in",
    ),
    Ban(
        "no-environment",
        frozenset({"os.environ", "os.environb", "os.getenv"}),
        # The last one is a process of its own.
        ("app.py", "settings", "chaos/workloads/weight_publisher.py"),
        "{name}: settings are resolved once, by the entry point",
    ),
    Ban(
        "no-code-from-data",
        frozenset({"eval", "exec"}),
        (),
        "{name}: data never runs",
    ),
)
PICKLES = {"pickle", "cloudpickle", "dill", "marshal", "shelve"}


def banned_names(source: Source) -> Iterator[Finding]:
    """Refuse the names of ``BANS`` outside the places that may use them."""
    if not source.within(PACKAGE):
        return
    for ban in BANS:
        if source.within(*(f"{PACKAGE}/{place}" for place in ban.only_in)):
            continue
        for name, node in source.references:
            if name in ban.names:
                message = ban.message.format(name=name)
                yield Finding(source.path, node.lineno, ban.rule, message)


def no_pickle(source: Source) -> Iterator[Finding]:
    """Refuse formats whose reading can run code."""
    if source.within(PACKAGE, "plugins"):
        for name, line in source.imported:
            if name.partition(".")[0] in PICKLES:
                yield Finding(source.path, line, "no-pickle", f"{name}: reading it can run code")


def no_assert(source: Source) -> Iterator[Finding]:
    """Refuse ``assert``, which ``python -O`` removes."""
    if source.within(PACKAGE, "plugins"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Assert):
                yield Finding(source.path, node.lineno, "no-assert", "raise a coded error instead")


def no_drawers(source: Source) -> Iterator[Finding]:
    """Refuse names that say only that something is kept there."""
    if source.within("tests"):
        return
    definitions = (node for node in ast.walk(source.tree) if isinstance(node, DEFINITIONS))
    named = [(part, 1) for part in source.path.with_suffix("").parts]
    named += [(node.name, node.lineno) for node in definitions]
    for name, line in named:
        if drawers := DRAWERS.intersection(_words(name)):
            message = f"{name}: {', '.join(sorted(drawers))} says nothing; use the field's own word"
            yield Finding(source.path, line, "no-drawers", message)


def no_bare_sleep(source: Source) -> Iterator[Finding]:
    """Refuse waiting for a guessed time in a test; ``asyncio.sleep(0)`` only yields."""
    if not source.within("tests"):
        return
    sleeps = [node for name, node in source.references if name == "time.sleep"]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and source.name_of(node.func) == "asyncio.sleep":
            sleeps += [] if [ast.unparse(argument) for argument in node.args] == ["0"] else [node]
    for sleep in sleeps:
        message = "poll with a deadline, or move a ManualClock"
        yield Finding(source.path, sleep.lineno, "no-bare-sleep", message)


def nothing_at_import(source: Source) -> Iterator[Finding]:
    """Refuse creating, opening or connecting while a module is imported."""
    if not source.within(PACKAGE, "plugins"):
        return
    for node in _run_at_import(source.tree):
        if isinstance(node, ast.Call) and (name := _called(node)) in OPENERS:
            message = f"{name}(...) runs when the module is imported"
            yield Finding(source.path, node.lineno, "nothing-at-import", message)


def plugins_use_hooks(source: Source) -> Iterator[Finding]:
    """Refuse plugins that reach below the hooks and the packages' public names."""
    if not source.within("plugins"):
        return
    for name, line in source.imported:
        parts = name.split(".")
        if parts[0] == PACKAGE and (len(parts) > 3 or any(part[0] == "_" for part in parts)):
            message = f"{name}: import the hooks, or a public name from its package"
            yield Finding(source.path, line, "plugins-use-hooks", message)


def module_length(source: Source) -> Iterator[Finding]:
    """Note modules that may hold more than one idea."""
    if len(source.lines) > MOST_LINES and not source.within("tests"):
        message = f"{len(source.lines)} lines: does it hold one idea?"
        yield Finding(source.path, len(source.lines), "module-length", message, note=True)


RULES: tuple[Rule, ...] = (
    banned_names,
    no_pickle,
    no_assert,
    no_drawers,
    no_bare_sleep,
    nothing_at_import,
    plugins_use_hooks,
    events_are_typed,
    producers_in_streaming,
    module_length,
)


def _words(name: str) -> list[str]:
    """Split snake_case and CamelCase into lower-case words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def _called(call: ast.Call) -> str | None:
    """Return the last part of what is called: ``Path(x).open()`` gives ``open``."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def _run_at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that importing the module evaluates: no bodies of functions."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, node.args]
        elif not (isinstance(node, ast.Lambda) or _is_guarded(node)):
            waiting += ast.iter_child_nodes(node)


def _is_guarded(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in (
        "__name__ == '__main__'",
        "TYPE_CHECKING",
    )
