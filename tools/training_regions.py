"""The generated parts about training: what is observed, which laws hold, and what is judged."""

from tools.markdown import table

__all__ = ["audits", "network_sizes", "observation", "search_settings", "verdict_questions"]


def observation(_: str) -> str:
    """Return the table of the columns of an observation, and the hash that models know it by."""
    from alchemiser_cli.rl.observation import FEATURES, observation_schema_hash

    rows = (
        [str(feature.index), f"`{feature.name}`", feature.source, feature.meaning]
        for feature in FEATURES
    )
    columns = table(["column", "name", "source", "meaning"], rows)
    return f"{columns}\nSchema hash: `{observation_schema_hash()}`\n"


def audits(_: str) -> str:
    """Return the table of the laws that a training environment is held to."""
    from alchemiser_cli.rl.audit import AUDITS

    return table(["audit", "law"], ([f"`{audit.name}`", audit.law] for audit in AUDITS))


def verdict_questions(_: str) -> str:
    """Return what a verdict asks, what is needed, and the reason that is given otherwise."""
    from alchemiser_cli.render.evaluation_words import bound_text
    from alchemiser_cli.rl.evaluation import BASELINES, Thresholds
    from alchemiser_cli.rl.evaluation.verdict import pass_verdict

    asked = pass_verdict(
        Thresholds(),
        non_finite_actions=0.0,
        non_finite_weights=0,
        saturated_actions=0.0,
        edges=[(name, 0.0) for name in BASELINES],
        deflated_sharpe=0.0,
        ruined=0,
        rows_between=None,
        purge_steps=_default_purge(),
        steps=0,
    )
    rows = (
        [finding.meaning, bound_text(finding), f"`{finding.reason}`"] for finding in asked.findings
    )
    return table(["question", "needed", "reason where it fails"], rows)


def network_sizes(_: str) -> str:
    """Return the table of the presets' networks."""
    from alchemiser_cli.rl.td3.presets import PRESETS

    head = ["preset", "width", "heads", "layers", "feed-forward", "features", "actor and critics"]
    rows = (
        [
            f"`{name}`",
            str(size.d_model),
            str(size.heads),
            str(size.layers),
            str(size.feedforward),
            str(size.encoded),
            "-".join(str(width) for width in size.hidden),
        ]
        for name, size in PRESETS.items()
    )
    return table(head, rows)


def search_settings(_: str) -> str:
    """Return the table of the settings that a sweep tries."""
    from alchemiser_cli.rl.sweep.space import Choice, search_space

    rows = (
        [
            f"`training.{name}`",
            ", ".join(str(value) for value in tried.values)
            if isinstance(tried, Choice)
            else f"{tried.low:g} to {tried.high:g}{', evenly in the logarithm' * tried.log}",
        ]
        for name, tried in search_space().items()
    )
    return table(["setting", "what is tried"], rows)


def _default_purge() -> int:
    from alchemiser_cli.settings import TrainingSettings

    return TrainingSettings().purge_steps
