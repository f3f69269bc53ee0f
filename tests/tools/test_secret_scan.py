"""A secret is found before it is committed."""

import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def repository(tmp_path, pytestconfig):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(pytestconfig.rootpath / ".secrets.baseline", tmp_path)
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    (tmp_path / "clean.py").write_text("x = 1\n")
    return tmp_path


@pytest.fixture
def scan(repository, pytestconfig):
    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tools.secret_scan"],
            cwd=repository,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(pytestconfig.rootpath)},
            check=False,
            capture_output=True,
            text=True,
        )

    return run


# Put together here, so that this file does not look like it holds one.
PLANTED = "key = '" + "AKIA" + "QYLPMN5HHHTX7WZD" + "'\n"


def test_a_clean_tree_passes(scan):
    assert scan().returncode == 0


def test_a_secret_in_a_file_that_git_does_not_track_yet_is_found(repository, scan):
    (repository / "new.py").write_text(PLANTED)
    done = scan()
    assert done.returncode == 1
    assert "AWS Access Key" in done.stdout
    assert "new.py:1" in done.stdout


def test_an_ignored_file_is_not_scanned(repository, scan):
    (repository / "ignored.py").write_text(PLANTED)
    assert scan().returncode == 0


def test_a_marked_line_is_exempt(repository, scan):
    (repository / "new.py").write_text(PLANTED.strip() + "  # pragma: allowlist secret\n")
    assert scan().returncode == 0
