"""A look at the stages as people read it."""

from alchemiser_cli.render.output import json_document, plain_text
from alchemiser_cli.render.validator import validator_view
from alchemiser_cli.trading.validator import Finding, Report, Silence, StageLook

REPORT = Report(
    at_ns=1_516_372_200_000_000_000,
    findings=(Finding("paper", "market_data", "no_recent_data", "silent for 10 min", 600.0),),
    silences=(Silence("kite", "its market is closed"),),
    stages=(
        StageLook("paper", "market_data", "silent", "silent for 10 min", 600.0),
        StageLook("paper", "signals", "waiting", "waits for market_data", 600.0),
    ),
)


def test_stages_findings_and_silences_are_told():
    assert plain_text(validator_view(REPORT).blocks) == (
        "broker  stage        state    last work  what\n"
        "paper   market data  silent      10 min  silent for 10 min\n"
        "paper   signals      waiting     10 min  waits for market_data\n"
        "\n"
        "paper: no_recent_data, market_data silent for 10 min\n"
        "\n"
        "kite is not watched: its market is closed.\n"
    )


def test_the_document_says_whether_all_is_sound():
    assert '"sound": false' in json_document(validator_view(REPORT).document)
    nothing = validator_view(Report(0, (), (), ()))
    assert plain_text(nothing.blocks) == "No broker is watched.\n"
    assert nothing.document["sound"]
