"""The proof that a run resumes exactly: its last stretch, made again from an earlier checkpoint."""

from pathlib import Path

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import ResumeMismatchError, RunNotResumableError
from alchemiser_cli.rl.checkpoints import Checkpoint, prove_equal, read_checkpoint
from alchemiser_cli.rl.runs import find_run, open_run, package_versions, require_same
from alchemiser_cli.rl.training.devices import choose_compute
from alchemiser_cli.rl.training.learning import Boundary, TrainingWatch, learn
from alchemiser_cli.rl.training.places import open_place
from alchemiser_cli.rl.training.request import TrainingRequest
from alchemiser_cli.rl.training.session import Session
from alchemiser_cli.rl.training.stages import stage

__all__ = ["ResumeProof", "verify_resume"]

_QUIET = TrainingWatch()


class ResumeProof(msgspec.Struct, frozen=True):
    """Steps ``begins_at`` to ``ends_at`` of a run were made again, with the same outcome.

    ``fingerprint`` is SHA-256 over networks, optimizers, replay buffer, environments and random
    states at the end, which both have. From step 0 the run was made again as a whole.
    """

    run_id: str
    begins_at: int
    ends_at: int
    arrays: int
    fingerprint: str
    seconds: float


def verify_resume(
    runs_folder: Path, wanted: str, clock: Clock, *, watch: TrainingWatch = _QUIET
) -> ResumeProof | None:
    """Resume the run at its checkpoint before the last, and compare it with the last one.

    Nothing is written. None where ``watch`` stopped it.

    Raises:
        ResumeMismatchError: ``resume-mismatch``.
        RunNotFoundError: ``run-not-found``.
        RunNotResumableError: ``run-not-resumable``, also where this machine computes otherwise.
    """
    folder = find_run(runs_folder, wanted)
    record = open_run(runs_folder, folder.name)
    request = TrainingRequest.of(record)
    with stage("environment"):
        place = open_place(request)
    compute = choose_compute(request.training, len(place.shape))
    now = request.facts(
        data_sha256=place.data_sha256, threads=compute.threads, versions=package_versions()
    )
    require_same(record.id, record.facts, now)
    last = read_checkpoint(folder / "checkpoints")
    earlier = _before(folder / "checkpoints", last)
    with stage("model"):
        session = Session(place, request.training, compute)
        if earlier is not None:
            session.restore(earlier)
    boundary = Boundary(
        session.model,
        watch,
        clock,
        evaluate=lambda: 0.0,
        save=lambda: None,
        evaluate_every=last.step + 1,
        save_every=last.step + 1,
        total=last.step,
    )
    with stage("learning"):
        if learn(session.model, boundary, session.returns, last.step) != "steps":
            return None
    arrays, state = session.snapshot()
    fingerprint = prove_equal(last.arrays, arrays, run=record.id)
    _require_same_state(record.id, last, state)
    return ResumeProof(
        run_id=record.id,
        begins_at=0 if earlier is None else earlier.step,
        ends_at=last.step,
        arrays=len(arrays),
        fingerprint=fingerprint,
        seconds=boundary.seconds,
    )


def _before(folder: Path, last: Checkpoint) -> Checkpoint | None:
    try:
        return read_checkpoint(folder, before=last.step)
    except RunNotResumableError:
        return None


def _require_same_state(run: str, last: Checkpoint, state: dict[str, object]) -> None:
    names = sorted(name for name in state if state[name] != last.state.get(name))
    if names:
        raise ResumeMismatchError(
            f"run {run} did not resume exactly",
            why=f"After the same steps these are others: {', '.join(names)}.",
            next_step="Keep both runs' folders and report it: this is a defect of ours.",
            context={"run": run, "differs": names},
        )
