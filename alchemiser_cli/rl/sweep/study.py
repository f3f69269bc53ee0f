"""The study in its storage: opening it, and every failure to reach it as one error."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import optuna
from optuna.pruners import MedianPruner
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import StudyUnavailableError, ValidationError, translated
from alchemiser_cli.rl.sweep.request import SweepRequest
from alchemiser_cli.settings.urls import masked_url

__all__ = [
    "FIRST",
    "OpenStudy",
    "count_trials",
    "default_storage",
    "open_study",
    "originals",
    "reaching",
]

FIRST = "first"  # of a trial that takes up another one: the number of the first attempt
SPACE = "space"
OPEN_ATTEMPTS = 5
OPEN_WAIT_S = 0.2
SQLITE_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True)
class OpenStudy:
    """A study that can be used, and where it is, with secrets masked."""

    study: optuna.Study
    storage: RDBStorage
    location: str


def default_storage(home: Path) -> str:
    """Return the URL of the storage of sweeps in ``home``."""
    return f"sqlite:///{home / 'sweeps.db'}"


def count_trials(storage: str, study: str, clock: Clock) -> int:
    """Return how many trials ``study`` has had: also those that failed, were pruned, or still run.

    A trial that was interrupted and taken up again counts once. Zero if there is no such study.
    This is the number of trials of the deflated Sharpe ratio (Bailey and López de Prado, 2014).

    Raises:
        StudyUnavailableError: ``study-unavailable``.
    """
    location = masked_url(storage)
    with _storage(storage, clock) as opened, reaching(location):
        if study not in optuna.get_all_study_names(opened):
            return 0
        loaded = optuna.load_study(study_name=study, storage=opened)
        return len(originals(loaded.get_trials(deepcopy=False)))


def originals(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that were begun and take up no other one."""
    return [
        trial
        for trial in trials
        if FIRST not in trial.user_attrs and trial.state != TrialState.WAITING
    ]


@contextmanager
def open_study(request: SweepRequest, clock: Clock) -> Iterator[OpenStudy]:
    """Yield the study of ``request``, made if it is not there; it maximises its value.

    Raises:
        StudyUnavailableError: ``study-unavailable``.
        ValidationError: ``validation-failed`` if the study was begun with another search space.
    """
    location = masked_url(request.storage)
    with _storage(request.storage, clock) as storage:
        with reaching(location):
            study = optuna.create_study(
                storage=storage,
                study_name=request.study,
                direction="maximize",
                pruner=MedianPruner(n_startup_trials=request.pruned_after),
                load_if_exists=True,
            )
            asked = msgspec.json.encode(dict(request.space), order="sorted").decode()
            begun = study.user_attrs.get(SPACE)
            if begun is None:
                study.set_user_attr(SPACE, asked)
        if begun not in {None, asked}:
            raise ValidationError(
                f"study {request.study} was begun with another search space",
                why="The trials of one study are compared, so they have the same settings to try.",
                next_step="Give the sweep a new name of a study.",
                context={"study": request.study, "began": begun, "now": asked},
            )
        yield OpenStudy(study, storage, location)


@contextmanager
def reaching(location: str) -> Iterator[None]:
    """Let what the storage raises leave a block as ``study-unavailable``.

    Raises:
        StudyUnavailableError: ``study-unavailable``, naming ``location``.
    """
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, OSError) as error:
        raise _unavailable(location, error) from error


@contextmanager
def _storage(url: str, clock: Clock) -> Iterator[RDBStorage]:
    optuna.logging.disable_default_handler()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = _opened(url, clock)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _opened(url: str, clock: Clock) -> RDBStorage:
    location = masked_url(url)
    for _ in range(OPEN_ATTEMPTS - 1):
        try:
            return _open(url)
        except DBAPIError as error:
            # Two processes that open a new storage at once both make its tables; one fails.
            if isinstance(error, OperationalError) and not url.startswith("sqlite"):
                raise _unavailable(location, error) from error
            clock.sleep(OPEN_WAIT_S)
        except (SQLAlchemyError, OSError, RuntimeError) as error:
            raise _unavailable(location, error) from error
    with reaching(location):
        return _open(url)


def _open(url: str) -> RDBStorage:
    target = make_url(url)
    backend = target.get_backend_name()
    if target.drivername == "postgresql":
        target = target.set(drivername="postgresql+psycopg")
    timeout: dict[str, object] = {}
    if backend == "sqlite":
        timeout = {"timeout": SQLITE_TIMEOUT_S}
        file = Path(target.database or "")
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    elif backend == "postgresql":
        timeout = {"connect_timeout": CONNECT_TIMEOUT_S}
    try:
        return RDBStorage(
            target.render_as_string(hide_password=False),
            engine_kwargs={"connect_args": timeout, "pool_pre_ping": True},
        )
    except ImportError as error:
        raise translated(error.__cause__ or error, doing="load the storage's driver") from error


def _unavailable(location: str, error: BaseException) -> StudyUnavailableError:
    origin = getattr(error, "orig", None) or error
    lines = str(origin).strip().splitlines() or [type(origin).__name__]
    return StudyUnavailableError(
        f"the storage of the sweep at {location} cannot be used",
        why=f"{lines[0].rstrip('.')}.",
        next_step="Check that it runs and can be reached, then start the sweep again: it goes on.",
        context={"storage": location, "error": type(origin).__name__},
    )
