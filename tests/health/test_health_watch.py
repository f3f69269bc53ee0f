"""The watch: it shows what is known, says how old that is, and never waits for the database."""

import io
import os
import pty
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import closing, suppress
from fcntl import ioctl

import pytest
from rich.console import Console

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import StateUnreachableError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.health.watching import Lookout, Sight, watch_frame
from alchemiser_cli.render.live import sparkline, watch_screen

PATIENCE_S = 20.0


def eventually(true):
    """Poll with a deadline."""
    deadline = time.monotonic() + PATIENCE_S
    waiting = threading.Event()
    while not (found := true()):
        assert time.monotonic() < deadline, "it never came"
        waiting.wait(0.01)
    return found


class TestLookout:
    def test_it_shows_the_last_look_and_its_age(self):
        clock = ManualClock()
        with Lookout(lambda: "seen", clock, interval_s=60, limit_s=2) as lookout:
            eventually(lambda: lookout.sight().seen)
            clock.advance(7.0)
            assert lookout.sight() == Sight("seen", 7.0, "")

    def test_before_the_first_look_there_is_nothing(self):
        with Lookout(threading.Event().wait, ManualClock(), interval_s=1, limit_s=2) as lookout:
            assert lookout.sight() == Sight(None, None, "")

    def test_a_look_that_hangs_is_told_and_freezes_nobody(self):
        clock, release, looks = ManualClock(), threading.Event(), []

        def look():
            looks.append(1)
            if len(looks) > 1:
                release.wait()
            return len(looks)

        with Lookout(look, clock, interval_s=0.001, limit_s=2) as lookout:
            eventually(lambda: len(looks) == 2)
            clock.advance(9.0)
            sight = lookout.sight()
            assert sight.seen == 1
            assert sight.problem == "no answer for 9 s"
            assert len(looks) == 2  # never a second one beside it
            release.set()
            eventually(lambda: lookout.sight().problem == "")

    @pytest.mark.provokes("state-unreachable")
    def test_a_look_that_fails_keeps_what_was_seen(self):
        clock, looks = ManualClock(), []

        def look():
            looks.append(1)
            if len(looks) > 1:
                raise StateUnreachableError("locked", why="by another", next_step="wait")
            return "seen"

        with Lookout(look, clock, interval_s=0.001, limit_s=2) as lookout:
            eventually(lambda: lookout.sight().problem)
            assert lookout.sight().seen == "seen"
            assert lookout.sight().problem == "locked: by another"

    def test_a_defect_in_a_look_is_shown_and_the_next_look_tries_again(self):
        answers = iter([ZeroDivisionError("by zero"), "seen"])

        def look():
            answer = next(answers, "seen")
            if isinstance(answer, Exception):
                raise answer
            return answer

        with Lookout(look, SystemClock(), interval_s=0.001, limit_s=2) as lookout:
            assert eventually(lambda: lookout.sight().seen) == "seen"


class TestScreen:
    @pytest.fixture
    def frame(self, surroundings, scene):
        def frame():
            return watch_frame(surroundings())

        return frame

    @staticmethod
    def drawn(sight, width=100, height=40):
        console = Console(file=io.StringIO(), width=width, height=height)
        console.print(watch_screen(sight, width=width, height=height))
        return console.file.getvalue()

    def test_it_shows_status_errors_breakers_feeds_and_groups(
        self, frame, scene, masked, file_regression
    ):
        for minute in range(60):
            scene.errors("rate-limited", "feed", ago_s=60 * minute, count=minute + 1)
        scene.errors("order-outcome-unknown", "paper-broker", ago_s=70)
        scene.breaker("kafka", "open")
        scene.breaker("registry", "closed")
        scene.feed("feed:prices", silent_s=200)
        file_regression.check(masked(self.drawn(Sight(frame(), 1.0, ""), width=200)))

    def test_a_problem_stands_above_what_is_old(self, frame):
        screen = self.drawn(Sight(frame(), 75.0, "no answer for 75 s"))
        assert "no answer for 75 s" in screen
        assert "75 s old" in screen

    def test_before_the_first_look_it_says_what_it_waits_for(self):
        assert "no answer for 3 s" in self.drawn(Sight(None, None, "no answer for 3 s"))

    @pytest.mark.parametrize("size", [(200, 60), (80, 24), (40, 10), (10, 3), (1, 1)])
    def test_it_fits_a_terminal_of_any_size(self, frame, scene, size):
        for number in range(30):
            scene.errors("rate-limited", f"component-{number}", count=3)
            scene.breaker(f"breaker-{number}")
            scene.feed(f"feed:{number}", silent_s=500)
        width, height = size
        screen = self.drawn(Sight(frame(), 1.0, "slow"), width, height).splitlines()
        assert all(len(line) <= width for line in screen)
        if height >= 24:
            assert len(screen) <= height

    def test_escape_sequences_and_markup_of_messages_stay_text(self, frame, scene):
        scene.errors("rate-limited", "[red]feed[/red]", template="\x1b[2J\x07gone [bold]away")
        screen = self.drawn(Sight(frame(), 1.0, ""))
        assert "\x1b" not in screen
        assert "[red]feed[/red]" in screen
        assert "[bold]away" in screen


def test_a_sparkline_shows_nothing_as_a_dot_and_the_most_as_a_block():
    assert sparkline([0, 1, 4, 8]) == "·▁▄█"
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "··"
    assert sparkline([10**9, 1]) == "█▁"


class TestTerminal:
    """The command itself, on a pseudo-terminal of its own."""

    @pytest.fixture
    def watch(self, home, segments_folder):
        code = (
            "import sys; from alchemiser_cli import app; "
            "app.COMMANDS.setdefault('health', ('', '')); "
            "'health' in {c.name for c in app.app.registered_commands} "
            "or app.app.command('health')(lambda: None); app.main()"
        )
        ours, theirs = pty.openpty()
        self.resize(theirs, 40, 120)
        screen, started = bytearray(), []

        def read():
            with suppress(OSError):  # the other end is closed
                while data := os.read(ours, 65_536):
                    screen.extend(data)

        def start():
            command = [
                *(sys.executable, "-c", code, "--home", str(home)),
                *("--set", f"shm.directory={segments_folder}"),
                *("--set", "state.connect_timeout_s=0.5", "health", "watch", "--interval", "0.5"),
            ]
            started.append(
                subprocess.Popen(
                    command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
                )
            )
            os.close(theirs)
            reader.start()
            return started[0], screen, ours

        reader = threading.Thread(target=read, daemon=True)
        yield start
        started[0].kill()
        started[0].wait()
        reader.join()
        os.close(ours)

    @staticmethod
    def resize(terminal, lines, columns):
        ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def test_it_survives_a_locked_database_and_a_resize_and_ends_with_ctrl_c(
        self, watch, database, home
    ):
        database.health()
        database.close()
        with closing(sqlite3.connect(home / "state.db")) as other:
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
            other.execute("UPDATE schema_version SET version = version")
            other.commit()
            process, screen, terminal = watch()
            eventually(lambda: b"database is locked" in screen)

        eventually(lambda: b"HEALTHY" in screen)
        self.resize(terminal, 20, 60)
        os.kill(process.pid, signal.SIGWINCH)
        screen.clear()
        eventually(lambda: b"HEALTHY" in screen)

        os.kill(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE_S) == ExitCode.INTERRUPTED
        # The alternate screen was left, and the cursor is back.
        eventually(lambda: b"\x1b[?1049l" in screen and b"\x1b[?25h" in screen)
