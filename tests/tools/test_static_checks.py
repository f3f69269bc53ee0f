"""Each rule finds a planted violation, and leaves the same thing alone where it belongs."""

from pathlib import Path

import pytest

from tools.static_checks import check

CORE = "alchemiser_cli/market/prices.py"
PAGES = "alchemiser_cli/errors/runbook_pages"
EVENT = "from alchemiser_cli.market.envelope import EventEnvelope, event\n"
PRODUCER = "from alchemiser_cli.streaming.events import EventProducer\n"
CODED = 'class BrokerGoneError(AlchemiserError):\n    code = "broker-gone"\n'


def findings(root: Path, files: dict[str, str]) -> list[tuple[str, int]]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return [(finding.rule, finding.line) for finding in check(root)]


@pytest.mark.parametrize(
    ("path", "text", "rule"),
    [
        (CORE, "def f():\n    print(1)\n", "no-print"),
        (CORE, "import sys\ndef f(): sys.exit(1)\n", "no-print"),
        (CORE, "from sys import exit as leave\ndef f(): leave(1)\n", "no-print"),
        (CORE, "import time as t\ndef f(): t.sleep(1)\n", "one-clock"),
        (CORE, "from time import time\ndef f(now=time): return now()\n", "one-clock"),
        (CORE, "from datetime import datetime\ndef f(): datetime.now()\n", "one-clock"),
        (CORE, "import datetime\ndef f(): datetime.datetime.utcnow()\n", "one-clock"),
        (CORE, "import os\ndef f(): return os.environ.get('HOME')\n", "no-environment"),
        (CORE, "from os import getenv\ndef f(): return getenv('HOME')\n", "no-environment"),
        (CORE, "def f(x): return eval(x)\n", "no-code-from-data"),
        (CORE, "def f(x):\n    exec(x)\n", "no-code-from-data"),
        (CORE, "def f():\n    import pickle\n", "no-pickle"),
        ("plugins/a/b.py", "from cloudpickle import loads\n", "no-pickle"),
        (CORE, "def f(x):\n    assert x\n", "no-assert"),
        ("alchemiser_cli/order_utils.py", "", "no-drawers"),
        ("alchemiser_cli/common/orders.py", "", "no-drawers"),
        (CORE, "class OrderManager: ...\n", "no-drawers"),
        (CORE, "class HTTPHandler: ...\n", "no-drawers"),
        (CORE, "async def on_tick_helper(): ...\n", "no-drawers"),
        ("tests/test_a.py", "import time\ndef test(): time.sleep(0.1)\n", "no-bare-sleep"),
        ("tests/test_a.py", "from time import sleep\ndef test(): sleep(1)\n", "no-bare-sleep"),
        (
            "tests/test_a.py",
            "import asyncio\nasync def test(): await asyncio.sleep(0.1)\n",
            "no-bare-sleep",
        ),
        (CORE, "LINES = open('x')\n", "nothing-at-import"),
        (CORE, "from pathlib import Path\nPath('x').mkdir()\n", "nothing-at-import"),
        (CORE, "class A:\n    store = sqlite3.connect('x')\n", "nothing-at-import"),
        (CORE, "def f(file=open('x')): ...\n", "nothing-at-import"),
        ("plugins/a/b.py", "from alchemiser_cli.errors.base import X\n", "plugins-use-hooks"),
        ("plugins/a/b.py", "from alchemiser_cli.market import _ticks\n", "plugins-use-hooks"),
        (CORE, f"{EVENT}event('a.b', 1, source='s', clock=c)\n", "events-are-typed"),
        (CORE, f"{EVENT}event('a.b', 1, broker='', source='s')\n", "events-are-typed"),
        (CORE, f"{EVENT}event('', 1, broker='b')\n", "events-are-typed"),
        (CORE, f"{EVENT}event(payload=1, broker='b', event_type=None)\n", "events-are-typed"),
        (CORE, f"{EVENT}event(broker='b', **rest)\nevent('a', 1)\n", "events-are-typed"),
        (CORE, f"{EVENT}EventEnvelope(broker='b', source='s')\n", "events-are-typed"),
        (
            "plugins/a/b.py",
            "from alchemiser_cli.market import EventEnvelope as E\nE(event_type='a')\n",
            "events-are-typed",
        ),
        (
            CORE,
            "from alchemiser_cli import market\nmarket.event('a.b', 1)\n",
            "events-are-typed",
        ),
        (CORE, f"{PRODUCER}with EventProducer(k) as p:\n    p.send('t')\n", "events-are-typed"),
        (CORE, f"{PRODUCER}p = EventProducer(k)\np.send('t', b'x', 'k')\n", "events-are-typed"),
        (
            CORE,
            f"{PRODUCER}async def f(p: EventProducer):\n    await p.send('t', {{}}, key='k')\n",
            "events-are-typed",
        ),
        (
            "plugins/a/b.py",
            "from confluent_kafka import Producer\nProducer({})\n",
            "producers-in-streaming",
        ),
        (CORE, "import confluent_kafka\nconfluent_kafka.Producer({})\n", "producers-in-streaming"),
        (CORE, "def f(client): client.produce('t', b'x')\n", "producers-in-streaming"),
        (
            "alchemiser_cli/trading/orders.py",
            "from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer as A\nA()\n",
            "producers-in-streaming",
        ),
        (
            "alchemiser_cli/pipeline/streams.py",
            "from confluent_kafka import Producer\nProducer({})\n",
            "producers-in-streaming",
        ),
        (CORE, "x = 1\n" * 301, "module-length"),
        (CORE, CODED, "runbook-missing"),
        (f"{PAGES}/nobody-raises-me.md", "", "runbook-orphaned"),
    ],
)
def test_a_planted_violation_is_found(tmp_path, path, text, rule):
    assert {found for found, _ in findings(tmp_path, {path: text})} == {rule}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("alchemiser_cli/render/terminal.py", "def f():\n    print(1)\n"),
        ("alchemiser_cli/commands/demo.py", "import sys\ndef f(): sys.exit(1)\n"),
        ("alchemiser_cli/clock.py", "import time\ndef f(): time.sleep(1)\n"),
        ("alchemiser_cli/app.py", "import os\ndef f(): return os.environ\n"),
        ("alchemiser_cli/settings/layers.py", "import os\ndef f(): return os.getenv('A')\n"),
        (CORE, "def f(console, clock): console.print(clock.sleep(1))\n"),
        (CORE, "def f(policy): return policy.eval()\n"),
        (CORE, "from contextlib import contextmanager\n@contextmanager\ndef opened(): ...\n"),
        (CORE, "def f():\n    return open('x')\nread = lambda: open('y')\n"),
        (CORE, "if __name__ == '__main__':\n    open('x')\n"),
        ("tests/test_a.py", "import asyncio\nasync def test(): await asyncio.sleep(0)\n"),
        ("tests/test_a.py", "def test_helper(): assert True\n"),
        ("plugins/a/b.py", "from alchemiser_cli.hooks import hook\nimport alchemiser_cli\n"),
        ("plugins/a/b.py", "from alchemiser_cli.market import Tick\n"),
        ("tools/a.py", "import time\nprint(time.time())\n"),
        (CORE, f"{EVENT}event('a.b', 1, broker=b, source='s')\n"),
        (CORE, f"{EVENT}event(**fields)\nevent(*fields)\nEventEnvelope(**fields)\n"),
        (CORE, "def event(name): ...\nevent('a')\n"),
        (CORE, f"{PRODUCER}with EventProducer(k) as p:\n    p.send('t', e, 'k')\n"),
        (CORE, f"{PRODUCER}with EventProducer(k) as p:\n    p.send('t', event=e, key='k')\n"),
        (CORE, f"{PRODUCER}p = EventProducer(k)\np.send(*parts)\np.send(**parts)\n"),
        (CORE, "def f(socket): socket.send(b'x')\n"),
        (
            "alchemiser_cli/streaming/producer.py",
            "from confluent_kafka import Producer\nProducer({}).produce('t', b'x')\n",
        ),
        (
            "alchemiser_cli/pipeline/streams.py",
            "from alchemiser_cli.streaming import AcknowledgedProducer\nAcknowledgedProducer()\n",
        ),
        ("tests/test_a.py", "def test(producer): producer.produce('t', b'x')\n"),
        ("benchmarks/a.py", "from confluent_kafka import Producer\nProducer({})\n"),
    ],
)
def test_the_same_thing_where_it_belongs_is_left_alone(tmp_path, path, text):
    assert findings(tmp_path, {path: text}) == []


def test_a_code_with_its_page_is_complete(tmp_path):
    files = {"alchemiser_cli/errors/streaming.py": CODED, f"{PAGES}/broker-gone.md": "# Gone"}
    assert findings(tmp_path, files) == []


def test_an_exemption_needs_its_rule_and_its_reason(tmp_path):
    text = (
        "def f(x):\n"
        "    assert x  # allow no-assert: the type checker cannot see it\n"
        "    assert x  # allow no-assert:\n"
        "    assert x  # allow no-print: wrong rule\n"
        "    assert x\n"
    )
    assert findings(tmp_path, {CORE: text}) == [("no-assert", line) for line in (3, 4, 5)]


def test_findings_carry_their_line_and_are_in_order(tmp_path):
    text = "import time\n\n\ndef f():\n    time.sleep(1)\n    print(1)\n"
    assert findings(tmp_path, {CORE: text}) == [("one-clock", 5), ("no-print", 6)]
