"""The evaluation report as one HTML file that needs nothing else: style and charts are inside."""

from collections.abc import Iterable
from html import escape

from alchemiser_cli.render.evaluation_charts import legend, line_chart, position_chart
from alchemiser_cli.render.evaluation_words import (
    PERFORMANCE_COLUMNS,
    bound_text,
    interval_text,
    money,
    percent,
    performance_row,
    ratio,
    value_text,
    verdict_text,
)
from alchemiser_cli.render.page import Html, figures, page, section, table
from alchemiser_cli.rl.evaluation import POLICY, EvaluationReport

__all__ = ["evaluation_html"]


def evaluation_html(report: EvaluationReport) -> str:
    """Return the whole document; every text from outside is escaped."""
    judged = report.judged
    name = judged.model or "policy"
    tone = "good" if report.verdict.promotable else "bad"
    header = Html(
        f'<h1>Evaluation of {escape(name)}</h1><span class="pill {tone}">'
        f"{escape(verdict_text(report.verdict))}</span>"
        f"<p>{judged.steps:,} held-out steps, {escape(judged.begins[:10])} to "
        f"{escape(judged.ends[:10])}, in {len(report.folds)} folds</p>"
    )
    footer = Html(
        "Written by alchemiser. Each fold starts flat with "
        f"{escape(money(judged.initial_balance))}; the baselines pay the same costs and their "
        "orders fill at the same times."
    )
    styles = ["health_style.css", "evaluation_style.css"]
    body = "".join(_sections(report))
    return page(f"alchemiser evaluation: {name}", styles, header, body, footer)


def _sections(report: EvaluationReport) -> Iterable[str]:
    yield _figures(report)
    yield section("Verdict", _verdict(report))
    yield from _charts(report)
    yield section("Against the baselines", _totals(report))
    yield section("Lead over each baseline", _differences(report))
    yield section("Folds", _folds(report))
    yield section("Runs", _runs(report))
    yield section("How it acts", _actions(report))
    yield section("How it was judged", _judged(report))


def _figures(report: EvaluationReport) -> str:
    own = report.total[POLICY]
    skill = report.deflated_sharpe >= report.thresholds.min_deflated_sharpe
    return figures(
        [
            (percent(own.annual_return), "return a year", "bad" if own.annual_return < 0 else ""),
            (ratio(own.sharpe), "Sharpe ratio", ""),
            (
                percent(report.deflated_sharpe),
                f"probability of skill, {report.judged.trials:,} tried",
                "" if skill else "bad",
            ),
            (percent(own.max_drawdown), "maximum drawdown", ""),
            (percent(own.annual_cost), "costs a year", ""),
            (f"{own.turnover:.1f}", "turnover a year", ""),
        ]
    )


def _verdict(report: EvaluationReport) -> Html:
    rows = [
        (
            Html(
                f'<span class="state {"good" if one.passed else "bad"}">{_word(one.passed)}</span>'
            ),
            one.meaning,
            value_text(one),
            bound_text(one),
            "" if one.passed else Html(f"<code>{escape(one.reason)}</code>"),
        )
        for one in report.verdict.findings
    ]
    return table(("", "question", "#value", "#needed", "reason"), rows)


def _charts(report: EvaluationReport) -> Iterable[str]:
    curves = report.curves
    begins = [fold.begins for fold in report.folds]
    names = legend(list(curves.equity))
    equity = line_chart("Equity", curves.times, curves.equity, money, begins, "random")
    note = (
        '<p class="note">Folds in a row, returns compounded; dashed uprights begin a fold. '
        "The random rule runs along the edge where it leaves the chart.</p>"
    )
    yield section("Equity", Html(equity + names + note))
    falls = {name: [-one for one in line] for name, line in curves.drawdown.items()}
    drawdown = line_chart("Drawdown", curves.times, falls, "{:.0%}".format, begins, "random")
    yield section("Drawdown", Html(drawdown + names))
    held = position_chart("Positions", curves.times, curves.positions, begins)
    sides = (
        '<p class="legend"><span><i class="long"></i>long</span><span><i class="short"></i>short'
        "</span><span>the darker, the more contracts; strikes ascend</span></p>"
    )
    yield section("Positions of the policy", Html(held + sides))
    exposure = {"net": curves.net, "gross": curves.gross}
    drawn = line_chart("Exposure", curves.times, exposure, ratio, begins)
    yield section("Delta notional over equity", Html(drawn + legend(list(exposure))))


def _totals(report: EvaluationReport) -> Html:
    rows = [performance_row(name, one) for name, one in report.total.items()]
    return table(("", *(f"#{name}" for name in PERFORMANCE_COLUMNS)), rows)


def _differences(report: EvaluationReport) -> Html:
    rows = [
        (
            one.baseline,
            interval_text(one.annual_return, percent),
            interval_text(one.sharpe, ratio),
            percent(one.better_share),
        )
        for one in report.differences
    ]
    shown = table(("baseline", "#return a year", "#Sharpe ratio", "#resamples ahead"), rows)
    return Html(
        f'{shown}<p class="note">Policy less baseline, with intervals of '
        f"{report.thresholds.confidence:.0%} from a paired stationary bootstrap.</p>"
    )


def _folds(report: EvaluationReport) -> Html:
    names = list(report.total)
    rows = [
        (
            f"{fold.begins[:10]} to {fold.ends[:10]}{', ruined' if fold.ruined else ''}",
            percent(fold.performance[POLICY].total_return),
            percent(fold.performance[POLICY].max_drawdown),
            *(ratio(fold.performance[name].sharpe) for name in names),
        )
        for fold in report.folds
    ]
    sharpes = [f"#Sharpe, {name}" for name in names]
    return table(("fold", "#return", "#drawdown", *sharpes), rows)


def _runs(report: EvaluationReport) -> Html:
    rows = [
        (
            name,
            interval_text(one.interquartile_mean, ratio),
            ratio(min(map(min, one.runs))),
            ratio(max(map(max, one.runs))),
        )
        for name, one in report.scores.items()
    ]
    shown = table(("", "#Sharpe, interquartile mean", "#lowest", "#highest"), rows)
    return Html(
        f'{shown}<p class="note">Over each fold as a whole, and {len(report.judged.seeds)} runs of '
        "it that begin at a random step of its first quarter; the intervals are of stratified "
        "bootstrap and tell how much hangs on the first day.</p>"
    )


def _actions(report: EvaluationReport) -> Html:
    seen = report.actions
    rows = [
        ("decisions", f"{seen.decisions:,}"),
        ("mean size of an action", ratio(seen.mean_size)),
        ("beyond 0.99 of the limit", percent(seen.saturated_share)),
        ("options that always got the same action", f"{seen.constant} of 10"),
        ("not finite", percent(seen.non_finite_share)),
        ("weights that are not finite", f"{report.non_finite_weights:,}"),
    ]
    return table(("", "#"), rows)


def _judged(report: EvaluationReport) -> Html:
    judged = report.judged
    trained = "nothing: a rule"
    if judged.trained_rows is not None:
        begin, end = judged.trained_rows
        trained = f"{begin:,} to {end - 1:,}"
    rows = [
        ("rows judged", f"{judged.first_row:,} to {judged.last_row:,}"),
        ("rows trained on", trained),
        ("rows that must lie between", f"{judged.purge_steps:,}"),
        ("steps a year", f"{judged.steps_per_year:.1f}"),
        ("policies tried", f"{judged.trials:,}"),
        ("seeds", ", ".join(map(str, judged.seeds)) or "none"),
        ("probability of a Sharpe ratio above 0", percent(report.probabilistic_sharpe)),
        ("settings", judged.settings_hash[:12] or "-"),
    ]
    return table(("", "#"), rows)


def _word(passed: bool) -> str:
    return "passed" if passed else "failed"
