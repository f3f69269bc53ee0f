"""The law of the vectorised environment: each of its environments is a single one, bit for bit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.market.chains import ChainTable, GeneratedChains, TableChains
from alchemiser_cli.rl.environment import FIRST_ROW, TradingEnvironment
from alchemiser_cli.rl.vec_env import TradingVecEnv
from alchemiser_cli.settings import OptionsSettings

ROWS = 120
TABLES = [GeneratedChains(OptionsSettings(), steps=ROWS, seed=seed).table() for seed in (1, 2)]
FIELDS = tuple(ChainTable.__dataclass_fields__)
BAD = (0.0, -1.0, np.nan, np.inf, 1e307)
faults = st.lists(
    st.tuples(
        st.sampled_from(("spot", "mid", "strike", "half_spread", "greeks", "settlement")),
        st.integers(FIRST_ROW - 20, ROWS - 1),
        st.sampled_from(BAD),
    ),
    max_size=3,
)


def spoiled(table, bad):
    columns = {name: getattr(table, name).copy() for name in FIELDS}
    for name, row, value in bad:
        columns[name][row] = value
    return TableChains(ChainTable(**columns))


@settings(max_examples=15)
@given(
    market=st.sampled_from(range(len(TABLES))),
    bad=faults,
    starts=st.lists(st.integers(FIRST_ROW, ROWS - 2), min_size=1, max_size=3),
    length=st.integers(1, 40),
    balance=st.sampled_from((3_000.0, 40_000.0, 1e6)),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_environment_of_many_is_a_single_one(market, bad, starts, length, balance, seed):
    options = OptionsSettings(initial_balance=balance, episode_steps=length)
    chains = spoiled(TABLES[market], bad)
    chance = np.random.default_rng(seed)
    many = TradingVecEnv(chains, options, len(starts), random_start=False)
    seen = many.start_at(np.array(starts), length)
    alone = [TradingEnvironment(chains, options) for _ in starts]
    for index, start in enumerate(starts):
        expected, _ = alone[index].reset(options={"start": start})
        np.testing.assert_array_equal(seen[index], expected)
    for _ in range(30):  # over ends: then each begins at the earliest row
        actions = chance.uniform(-1.2, 1.2, (len(starts), 10)).astype(np.float32)
        actions[chance.random(actions.shape) < 0.3] = 0.0
        seen, rewards, ended, infos = many.step(actions)
        for index, environment in enumerate(alone):
            expected, reward, terminated, truncated, info = environment.step(actions[index])
            assert rewards[index] == np.float32(reward)
            assert ended[index] == (terminated or truncated)
            assert many.costs[index] == info["cost"]
            assert many.traded[index] == info["traded"]
            if ended[index]:
                last = infos[index]
                np.testing.assert_array_equal(last["terminal_observation"], expected)
                assert last["TimeLimit.truncated"] == truncated
                assert last["positions"] == info["positions"]
                np.testing.assert_array_equal(last["equity"], info["equity"])
                expected, info = environment.reset()
            np.testing.assert_array_equal(seen[index], expected)
            np.testing.assert_array_equal(many.equity[index], info["equity"])
            np.testing.assert_array_equal(many.cash[index], info["cash"])
            assert tuple(many.positions[index]) == info["positions"]
            assert many.rows[index] == info["row"]
    counted = {event: 0 for environment in alone for event in environment.events}
    for environment in alone:
        for event, count in environment.events.items():
            counted[event] += count
    assert many.events == counted
