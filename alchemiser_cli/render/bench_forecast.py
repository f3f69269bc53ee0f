"""How well the events of a file were forecast."""

import msgspec

from alchemiser_cli.errors.forecast.event_file import FileScore
from alchemiser_cli.errors.forecast.outlook import CodeScore
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.forecast import calibration_table, code_document, percent, skill_text

__all__ = ["file_score_view"]

MOST_SHOWN = 40

_COLUMNS = (
    *("code", "events", "base rate", "Brier", "base Brier", "log-loss", "base log-loss"),
    *("skill", "99 % interval", "ECE", "verdict"),
)
_RIGHT = frozenset(_COLUMNS[1:-1])


def file_score_view(score: FileScore) -> View:
    """Return every code beside its base rate, all of them as one, and the calibration of that."""
    shown = score.codes[:MOST_SHOWN] + ([score.pooled] if score.pooled else [])
    title = f"{score.rows:,} rows, {score.windows:,} windows of {score.window_minutes:,} min"
    blocks: list[Block] = [TableBlock(_COLUMNS, [_row(one) for one in shown], title, _RIGHT)]
    if (hidden := len(score.codes) - MOST_SHOWN) > 0:
        blocks.append(TextBlock(f"{hidden:,} rarer codes are shown by -o json.", style="dim"))
    if score.pooled:
        blocks.append(calibration_table([score.pooled]))
    codes = [code_document(one, score.window_minutes) for one in score.codes]
    whole = code_document(score.pooled, score.window_minutes) if score.pooled else None
    return View({**msgspec.to_builtins(score), "codes": codes, "pooled": whole}, blocks)


def _row(one: CodeScore) -> tuple[Cell | str, ...]:
    rate = "-" if one.base_rate is None else percent(one.base_rate)
    scores = one.scores
    figures: tuple[str, ...] = ("-",) * 7
    if scores:
        figures = (
            f"{scores.brier:.4f}",
            f"{scores.base_brier:.4f}",
            f"{scores.log_loss:.4f}",
            f"{scores.base_log_loss:.4f}",
            *skill_text(scores),
            f"{scores.calibration_error:.3f}",
        )
    verdict = Cell(f"abstains: {one.abstained}", "dim") if one.abstained else Cell("skill", "green")
    return Cell(one.code, "bold"), f"{one.events:,}", rate, *figures, verdict
