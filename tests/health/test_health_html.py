"""The HTML report: one file that needs nothing else, and that no text from outside can break."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors import UsageError
from alchemiser_cli.health.readings import BreakerReading, Bucket
from alchemiser_cli.health.report import health_report
from alchemiser_cli.health.report_file import write_report
from alchemiser_cli.render.health_charts import breaker_strips, error_bars
from alchemiser_cli.render.health_html import report_html

HOSTILE = "</title><script>alert(1)</script><img src=http://evil.example/x onerror='alert(2)'>"
VOID = {"meta", "br", "rect", "line"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section"),
    *("h1", "h2", "p", "div", "span", "b", "i", "br", "code", "ol", "li"),
    *("table", "tr", "th", "td", "svg", "g", "rect", "line", "text"),
}


class Page(HTMLParser):
    """Reads a page as a browser's parser would: its tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = set(), [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += [(tag, *attribute) for attribute in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += [(tag, *attribute) for attribute in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def html(surroundings, scene):
    def html():
        return report_html(health_report(surroundings(), scene.ago(86_400)))

    return html


def fill(scene, name):
    scene.errors("rate-limited", name, count=100, template=f"{name} failed")
    scene.errors("order-outcome-unknown", name, why=name)
    scene.breaker(name[:64], "open", reason=name)
    scene.feed(f"feed:{name}", silent_s=500)
    scene.strategies(name[:64], configured=2, loaded=1, momentum=name)


def test_every_element_is_closed_and_of_ours(html, scene):
    fill(scene, "market-feed")
    page = Page(html())
    assert page.open == []
    assert page.tags <= ALLOWED


def test_text_from_outside_stays_text(html, scene):
    fill(scene, HOSTILE)
    page = Page(html())
    assert page.open == []
    assert page.tags <= ALLOWED
    assert any("<script>alert(1)</script>" in words for words in page.words)
    assert not any(name.startswith("on") for _, name, _ in page.attributes)


def test_nothing_is_loaded_from_anywhere(html, scene):
    fill(scene, "market-feed")
    text = html()
    assert "://" not in text.replace("sqlite:///", "")
    assert "url(" not in text
    assert "@import" not in text
    names = {name for _, name, _ in Page(text).attributes}
    assert not names & {"src", "href", "xlink:href", "srcset", "action", "style"}


def test_the_page_forbids_itself_to_load_or_run_anything(html):
    policies = [value for tag, name, value in Page(html()).attributes if name == "content"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policies


def test_it_follows_the_readers_preference_for_dark_or_light(html):
    assert "prefers-color-scheme: dark" in html()


def test_an_empty_system_has_a_page_too(html):
    page = Page(html())
    assert page.open == []
    assert "healthy" in page.words


@given(st.lists(st.integers(0, 10**9), max_size=50))
def test_bars_stay_inside_the_chart(counts):
    series = [Bucket(i * 60_000_000_000, critical=n, low=n) for i, n in enumerate(counts)]
    for tag, name, value in Page(error_bars(series, 1)).attributes:
        if tag == "rect" and name in ("y", "x"):
            assert 0 <= float(value) <= 960


def test_each_part_of_a_bar_is_as_high_as_its_count():
    bucket = Bucket(start_ns=0, critical=1, high=0, medium=2, low=1, injected=0)
    drawn = re.findall(r'height="([\d.]+)" class="(\w+)"', error_bars([bucket], 30))
    heights = {kind: float(height) for height, kind in drawn}
    assert heights["medium"] == pytest.approx(2 * heights["critical"], abs=0.2)
    assert heights["low"] == pytest.approx(heights["critical"], abs=0.2)


@given(st.text(max_size=70), st.integers(0, 10**12))
def test_any_breaker_has_a_strip(name, since_ns):
    breaker = BreakerReading(
        name=name,
        state="open",
        since_ns=since_ns,
        open_until_ns=0,
        opened_count=1,
        open_s=1.0,
        reason="",
    )
    assert Page(breaker_strips([breaker], 5 * 10**11, 10**12)).open == []


class TestFile:
    def test_it_is_readable_by_its_owner_only(self, tmp_path):
        file = tmp_path / "report.html"
        write_report(file, "<p>")
        assert file.read_text() == "<p>"
        assert file.stat().st_mode & 0o777 == 0o600

    def test_it_takes_the_place_of_an_older_one_as_a_whole(self, tmp_path):
        file = tmp_path / "report.html"
        file.write_text("old")
        file.chmod(0o644)
        write_report(file, "new")
        assert file.read_text() == "new"
        assert file.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.glob(".*part")) == []

    def test_a_text_that_no_encoding_takes_is_written_nevertheless(self, tmp_path):
        write_report(tmp_path / "report.html", "a lone surrogate: \udcff")
        assert (tmp_path / "report.html").read_text() == "a lone surrogate: ?"

    @pytest.mark.provokes("usage")
    def test_a_folder_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(UsageError, match=r"nowhere/report\.html"):
            write_report(tmp_path / "nowhere" / "report.html", "<p>")
