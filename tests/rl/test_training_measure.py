"""The races of the training benchmark: both sides really train, on the same terms."""

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.render.bench_train import races_view
from alchemiser_cli.rl.training.measure import buffer_megabytes, race_on_gym, race_on_options

SECONDS = 1.0


@pytest.fixture(scope="module")
def gym_race():
    return race_on_gym(SystemClock(), env_id="Pendulum-v1", steps=1_040, seeds=[1])


def test_both_sides_have_the_same_time_and_are_judged_alike(tiny_network):
    race = race_on_options(
        SystemClock(), dataset="heston:1", preset="small", seconds=SECONDS, seeds=[1]
    )
    (ours,), (stock,) = race.ours, race.stock
    assert ours.seconds >= SECONDS
    assert stock.seconds >= SECONDS
    assert ours.steps > stock.steps > 0
    assert race.idle_score == 0.0


def test_both_sides_make_the_same_steps(gym_race):
    (ours,), (stock,) = gym_race.ours, gym_race.stock
    assert (ours.steps, stock.steps) == (1_040, 1_040)
    assert ours.updates == 10  # one for each of four steps, after a thousand at random
    assert ours.score < 0


def test_a_full_buffer_stays_below_its_bound():
    assert buffer_megabytes(200_000, 16) < 250


def test_the_view_has_both_sides_of_both_races(gym_race, tiny_network):
    options = race_on_options(
        SystemClock(), dataset="heston:1", preset="small", seconds=0.1, seeds=[1]
    )
    view = races_view(options, gym_race, 113.0)
    assert [row[0] for row in view.blocks[0].rows] == ["ours", "stock"]
    assert [row[2] for row in view.blocks[1].rows] == ["10", "0"]
    assert view.document["buffer_mb"] == 113.0
