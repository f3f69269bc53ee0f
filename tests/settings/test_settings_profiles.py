"""Profiles: where they are found, and what happens when one cannot be read."""

from pathlib import Path

import pytest

from alchemiser_cli.errors import ProfileMalformedError, ProfileNotFoundError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.settings.layers import profile_names
from alchemiser_cli.settings.resolve import Request, resolve


def _profile(folder, name="desk", client="desk"):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.toml"
    file.write_text(f'[kafka]\nclient_id = "{client}"\n')
    return file


def _client(**request):
    return resolve(Request(**request)).settings.kafka.client_id


def test_a_profile_is_found_by_its_path(tmp_path):
    assert _client(profile=str(_profile(tmp_path / "elsewhere"))) == "desk"


def test_a_path_relative_to_here_works_too():
    _profile(Path())
    assert _client(profile="desk.toml") == "desk"


def test_a_name_is_looked_up_here_then_in_the_home_then_among_the_shipped(tmp_path):
    home = tmp_path / "home"
    assert _client(profile="paper", home=home) == "alchemiser-paper"
    _profile(home / "configs", "paper", "home")
    assert _client(profile="paper", home=home) == "home"
    _profile(Path("configs"), "paper", "here")
    assert _client(profile="paper", home=home) == "here"


def test_the_home_of_a_variable_holds_profiles_too(tmp_path):
    _profile(tmp_path / "home" / "configs")
    assert _client(profile="desk", environ={"ALCHEMISER_HOME": str(tmp_path / "home")}) == "desk"


def test_names_of_profiles_are_listed_without_what_is_no_profile(tmp_path):
    for name in ("desk", "risk", "escalation"):
        _profile(tmp_path / "configs", name)
    assert profile_names(tmp_path) == ["desk", "development", "paper", "production"]


@pytest.mark.provokes("profile-not-found")
@pytest.mark.parametrize("name", ["nowhere", "nowhere.toml", "no/where", "/no/where.toml"])
def test_a_profile_that_does_not_exist_is_told(name):
    with pytest.raises(ProfileNotFoundError) as caught:
        resolve(Request(profile=name))
    assert caught.value.context["profile"] == name
    assert caught.value.exit_code is ExitCode.CONFIG


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ProfileNotFoundError) as caught:
        resolve(Request(profile="developement"))
    assert "Known profiles: development, paper, production." in caught.value.why


@pytest.mark.provokes("profile-malformed")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[kafka\n", "at line 1"),
        (b"[kafka]\nmode = \n", "at line 2"),
        (b'[kafka]\nmode = "embedded"\nmode = "external"\n', "at line 3"),
        (b"[kafka]\nusername = 'caf\xe9'\n", "utf-8"),
        (b"\xff\xfe[\x00k\x00]\x00", "utf-8"),
        (b"\x00", "line 1"),
    ],
)
def test_a_profile_that_is_not_toml_names_the_place(content, reason, tmp_path):
    file = tmp_path / "desk.toml"
    file.write_bytes(content)
    with pytest.raises(ProfileMalformedError) as caught:
        resolve(Request(profile=str(file)))
    assert reason in caught.value.why
    assert caught.value.context == {"file": str(file)}


@pytest.mark.provokes("profile-malformed")
@pytest.mark.parametrize("locked", ["file", "folder"])
def test_a_profile_that_may_not_be_read_is_told(locked, tmp_path, unprivileged):
    folder = tmp_path / "locked"
    file = _profile(folder)
    with unprivileged():
        (file if locked == "file" else folder).chmod(0)
        try:
            with pytest.raises(ProfileMalformedError, match=r"cannot be read"):
                resolve(Request(profile=str(file)))
        finally:
            folder.chmod(0o700)


@pytest.mark.provokes("profile-malformed")
def test_a_name_too_long_for_the_file_system_is_told():
    with pytest.raises(ProfileMalformedError, match=r"cannot be read"):
        resolve(Request(profile="x" * 300))


def test_a_folder_is_not_a_profile(tmp_path):
    (tmp_path / "desk.toml").mkdir()
    with pytest.raises(ProfileNotFoundError):
        resolve(Request(profile=str(tmp_path / "desk.toml")))


def test_an_empty_profile_is_all_defaults(tmp_path):
    (tmp_path / "desk.toml").touch()
    assert _client(profile=str(tmp_path / "desk.toml")) == "alchemiser"


@pytest.mark.provokes("profile-malformed")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"ALCHEMISER_KAFKA__USERNAME=desk\n\n'hunter2\n", "Line 3 is not NAME=value."),
        (b"ALCHEMISER_KAFKA__PASSWORD='hunter2\n", "Line 1 is not NAME=value."),
        (b"ALCHEMISER_KAFKA__USERNAME=caf\xe9\n", "utf-8"),
    ],
)
def test_a_dotenv_that_cannot_be_read_is_told_without_its_content(content, reason):
    Path(".env").write_bytes(content)
    with pytest.raises(ProfileMalformedError) as caught:
        resolve(Request())
    assert reason in caught.value.why
    assert "hunter2" not in f"{caught.value.what}{caught.value.why}{caught.value.next_step}"


def test_no_dotenv_is_no_problem():
    assert not Path(".env").exists()
    assert _client() == "alchemiser"
