"""An evaluation as tables and as one HTML file: nothing is loaded, nothing can be smuggled in."""

import io
import json
import re
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.market.chains import GeneratedChains
from alchemiser_cli.render.evaluation import comparison_view, evaluation_view
from alchemiser_cli.render.evaluation_charts import line_chart, position_chart
from alchemiser_cli.render.evaluation_html import evaluation_html
from alchemiser_cli.render.evaluation_words import money, percent, ratio
from alchemiser_cli.render.output import Format, plain_text, show
from alchemiser_cli.rl.evaluation import compare, evaluate
from alchemiser_cli.settings import OptionsSettings

HOSTILE = "</title><script>alert(1)</script><img src=http://evil.example/x onerror='alert(2)'>"
VOID = {"meta", "br", "rect", "line", "polyline"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section"),
    *("h1", "h2", "p", "div", "span", "b", "i", "code", "table", "tr", "th", "td"),
    *("svg", "g", "rect", "line", "polyline", "text"),
}
OPTIONS = OptionsSettings()


class Page(HTMLParser):
    """Reads a page as a browser's parser would: its tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = set(), [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += [(tag, *attribute) for attribute in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def put_seller(observations, env):
    actions = np.zeros((len(observations), 10), np.float32)
    actions[:, 6] = -0.4
    actions[:, 2] = 0.2
    return actions


@pytest.fixture(scope="module")
def report():
    chains = GeneratedChains(OPTIONS, steps=300, seed=5)
    return evaluate(
        put_seller, chains, OPTIONS, first_row=120, trained_rows=(0, 90), seeds=(1,), model="seller"
    )


def renamed(report, name):
    return msgspec.structs.replace(
        report, judged=msgspec.structs.replace(report.judged, model=name, settings_hash=name)
    )


class TestHtml:
    def test_every_element_is_closed_and_of_ours(self, report):
        page = Page(evaluation_html(report))
        assert page.open == []
        assert page.tags <= ALLOWED

    def test_a_models_name_stays_text(self, report):
        page = Page(evaluation_html(renamed(report, HOSTILE)))
        assert page.open == []
        assert page.tags <= ALLOWED
        assert any("<script>alert(1)</script>" in words for words in page.words)
        assert not any(name.startswith("on") for _, name, _ in page.attributes)

    def test_nothing_is_loaded_from_anywhere(self, report):
        text = evaluation_html(report)
        names = {name for _, name, _ in Page(text).attributes}
        assert not names & {"src", "href", "xlink:href", "srcset", "action", "style"}
        assert "://" not in text
        assert "url(" not in text
        assert "default-src 'none'; style-src 'unsafe-inline'" in text

    def test_it_follows_the_readers_preference_and_fits_a_phone(self, report):
        text = evaluation_html(report)
        assert text.count("prefers-color-scheme: dark") == 2
        assert "max-width: 640px" in text
        assert "width=device-width" in text

    def test_it_shows_the_verdict_each_reason_and_four_charts(self, report):
        text = evaluation_html(report)
        assert "not promotable" in text
        for reason in report.verdict.reasons:
            assert f"<code>{reason}</code>" in text
        charts = [value for tag, name, value in Page(text).attributes if name == "aria-label"]
        assert charts == ["Equity", "Drawdown", "Positions", "Exposure"]

    def test_it_stays_small(self, report):
        assert len(evaluation_html(report)) < 150_000


class TestTables:
    def test_the_verdict_stands_last_with_value_against_limit(self, report):
        text = plain_text(evaluation_view(report).blocks)
        assert "Verdict: not promotable." in text
        assert re.search(r"too_few_steps +steps that were judged +179 +at least 250\n$", text)
        for name in ("policy", "no-trade", "buy-and-hold", "delta-hedge", "random"):
            assert f"\n{name} " in text

    @pytest.mark.parametrize("chosen", list(Format))
    def test_every_format_takes_it(self, report, chosen):
        for view in (evaluation_view(report), comparison_view(compare({"a": report}))):
            stream = io.StringIO()
            show(view, chosen, stream)
            assert stream.getvalue()

    def test_json_has_the_verdict_and_the_totals(self, report):
        stream = io.StringIO()
        show(evaluation_view(report), Format.JSON, stream)
        document = json.loads(stream.getvalue())
        assert document["schema_version"] == 1
        assert document["verdict"]["promotable"] is False
        assert document["total"]["policy"]["steps"] == 179
        assert len(document["folds"]) == 4

    def test_a_comparison_names_models_best_first(self, report):
        text = plain_text(comparison_view(compare({"b": report, "a": report})).blocks)
        assert [line.split()[:2] for line in text.splitlines()[1:3]] == [["1", "a"], ["2", "b"]]


class TestWords:
    @pytest.mark.parametrize(
        ("share", "text"),
        [
            (0.0512, "5.1%"),
            (0.0, "0.0%"),
            (-0.0, "0.0%"),
            (1.0, "100.0%"),
            (0.0004, "0.040%"),
            (0.99996, "99.996%"),
            (-1e-9, "0.0%"),
        ],
    )
    def test_a_share_that_is_not_zero_or_all_is_not_written_so(self, share, text):
        assert percent(share) == text

    def test_money_and_ratios(self):
        assert [money(n) for n in (12, 950_000, 999_999, -2_500_000)] == [
            *("12", "950k", "1.00M", "-2.50M"),
        ]
        assert (ratio(-0.001), ratio(1.239)) == ("0.00", "1.24")


points = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=40)


@given(points, st.booleans())
def test_lines_stay_inside_the_chart(line, beyond):
    times = [f"2020-01-{i % 28 + 1:02}" for i in range(len(line))]
    lines = {"a": line, "random": [2 * one for one in line]}
    drawn = line_chart("t", times, lines, money, times[:1], "random" if beyond else "")
    assert Page(drawn).open == []
    for polyline in re.findall(r'points="([^"]*)"', drawn):
        for point in polyline.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 480
            assert 0 <= y <= 170


@given(
    st.lists(
        st.lists(st.integers(-10, 10), min_size=10, max_size=10).map(tuple),
        min_size=1,
        max_size=30,
    )
)
def test_each_stretch_of_a_position_is_one_rectangle(positions):
    drawn = position_chart("t", ["2020-01-01"] * len(positions), positions)
    stretches = sum(
        held != 0 and (at == 0 or row[at - 1] != held)
        for row in zip(*positions, strict=True)
        for at, held in enumerate(row)
    )
    assert drawn.count("<rect") == stretches
