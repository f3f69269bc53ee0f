"""TD3 with a shared encoder: each update is the paper's, and the actor acts alone as it did."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from alchemiser_cli.errors import ModelIncompatibleError
from alchemiser_cli.rl.td3.acting import actor_weights, load_actor
from alchemiser_cli.rl.td3.building import build_algorithm
from alchemiser_cli.rl.td3.encoder import WindowEncoder
from alchemiser_cli.rl.td3.presets import PRESETS, Architecture, architecture_of
from alchemiser_cli.rl.vec_env import TradingVecEnv
from alchemiser_cli.settings import TrainingSettings

TRAINING = TrainingSettings(
    environments=4, buffer_size=1_000, batch_size=32, learning_starts=48, learning_rate=1e-3
)
TINY = Architecture("small", 16, 100, 10, 8, 2, 1, 16, 6, (12, 12))


@pytest.fixture
def make_model(chains, options):
    def make(architecture=TINY, *, in_bfloat16=False, **changed):
        training = TRAINING.model_copy(update=changed)
        env = TradingVecEnv(chains, options, training.environments, seed=training.seed)
        return build_algorithm(env, architecture, training, device="cpu", in_bfloat16=in_bfloat16)

    return make


@pytest.fixture
def model(make_model):
    """One that has made 60 steps, the last three of them with an update."""
    model = make_model()
    model.learn(60)
    return model


# --- the update


class PlainTD3:
    """The update of TD3 written down from the paper, around one encoder and its target."""

    def __init__(self, model):
        self.model = model
        policy = copy.deepcopy(model.policy)
        self.encoder, self.target_encoder = policy.encoder, policy.target_encoder
        self.actor, self.target_actor = policy.actor.mu, policy.actor_target.mu
        self.critics = list(policy.critic.q_networks)
        self.target_critics = list(policy.critic_target.q_networks)
        self.actor_adam, self.critic_adam = policy.actor.optimizer, policy.critic.optimizer
        self.chosen = copy.deepcopy(model.replay_buffer.generator)
        self.smoothing = torch.Generator()
        self.smoothing.set_state(model.smoothing.get_state())
        self.updates = model.updates

    def update(self):
        model = self.model
        number = self.chosen.integers(model.replay_buffer.size(), size=model.batch_size)
        batch = model.replay_buffer._get_samples(number)
        self.updates += 1
        with torch.no_grad():
            features = self.target_encoder(batch.next_observations)
            epsilon = torch.randn(batch.actions.shape, generator=self.smoothing) * 0.2
            action = self.target_actor(features) + torch.clip(epsilon, -0.5, 0.5)
            seen = torch.hstack([features, torch.clip(action, -1, 1)])
            least = torch.minimum(*(critic(seen) for critic in self.target_critics))
            target = batch.rewards + 0.99 * (1 - batch.dones) * least
        features = self.encoder(batch.observations)
        seen = torch.hstack([features, batch.actions])
        loss = sum(functional.mse_loss(critic(seen), target) for critic in self.critics)
        self.critic_adam.zero_grad()
        loss.backward()
        self.critic_adam.step()
        if self.updates % 2 == 0:
            features = features.detach()
            value = self.critics[0](torch.hstack([features, self.actor(features)]))
            self.actor_adam.zero_grad()
            (-value.mean()).backward()
            self.actor_adam.step()
            self.follow()

    def follow(self):
        ours = [self.encoder, self.actor, *self.critics]
        targets = [self.target_encoder, self.target_actor, *self.target_critics]
        with torch.no_grad():
            for network, target in zip(ours, targets, strict=True):
                pairs = zip(network.parameters(), target.parameters(), strict=True)
                for weight, followed in pairs:
                    followed.copy_(0.005 * weight + 0.995 * followed)

    def weights(self):
        parts = {
            "encoder": (self.encoder, self.model.policy.encoder),
            "target encoder": (self.target_encoder, self.model.policy.target_encoder),
            "actor": (self.actor, self.model.actor.mu),
            "target actor": (self.target_actor, self.model.actor_target.mu),
            "critics": (self.critics, self.model.critic.q_networks),
            "target critics": (self.target_critics, self.model.critic_target.q_networks),
        }
        for name, (mine, theirs) in parts.items():
            yield name, *map(flat, (mine, theirs))


def flat(networks):
    networks = networks if isinstance(networks, list) else [networks]
    parts = [weight.detach().reshape(-1) for one in networks for weight in one.parameters()]
    return torch.cat(parts).numpy().copy()


def test_five_updates_are_those_of_the_paper(model):
    plain = PlainTD3(model)
    begun = {name: mine for name, mine, _ in plain.weights()}
    for _ in range(5):
        plain.update()
    model.train(5, model.batch_size)
    assert model.updates == plain.updates
    for name, mine, theirs in plain.weights():
        np.testing.assert_allclose(theirs, mine, rtol=1e-5, atol=1e-7, err_msg=name)
        assert (theirs != begun[name]).any(), name


def test_between_the_actors_updates_only_encoder_and_critics_move(model):
    if model.updates % 2:
        model.train(1, model.batch_size)
    before = {name: theirs for name, _, theirs in PlainTD3(model).weights()}
    model.train(1, model.batch_size)
    after = {name: theirs for name, _, theirs in PlainTD3(model).weights()}
    moved = {name for name in before if (before[name] != after[name]).any()}
    assert moved == {"encoder", "critics"}


def test_the_actors_loss_does_not_reach_the_encoder(model):
    batch = model.replay_buffer.sample(32)
    features = model.policy.encoder(batch.observations)
    before = flat(model.policy.encoder)
    model.policy.encoder.zero_grad()
    model._update_actor(features.detach())
    np.testing.assert_array_equal(flat(model.policy.encoder), before)
    assert all(weight.grad is None for weight in model.policy.encoder.parameters())
    held = [id(one) for group in model.actor.optimizer.param_groups for one in group["params"]]
    assert not set(held) & {id(one) for one in model.policy.encoder.parameters()}


def test_actor_and_critic_look_through_one_encoder(model):
    assert model.critic.features_extractor is model.actor.features_extractor
    assert model.critic_target.features_extractor is model.actor_target.features_extractor
    assert model.policy.target_encoder is not model.policy.encoder


def test_one_update_is_made_a_step_after_the_first_random_ones(make_model):
    model = make_model()
    model.learn(48)
    assert model.updates == 0
    assert abs(model.replay_buffer.actions[:, :12]).max() > 0.9  # uniform, not around zero
    model.learn(60, reset_num_timesteps=False)
    assert (model.num_timesteps, model.updates) == (108, 15)


# --- the networks


def test_a_window_becomes_features_and_features_actions(model):
    batch = model.replay_buffer.sample(32)
    assert batch.observations.shape == batch.next_observations.shape == (32, 16, 100)
    assert batch.actions.shape == (32, 10)
    assert batch.rewards.shape == batch.dones.shape == (32, 1)
    assert model.policy.encoder(batch.observations).shape == (32, 6)
    actions = model.act(batch.observations.numpy())
    assert (actions.shape, actions.dtype) == ((32, 10), np.float32)
    assert (abs(actions) <= 1).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_their_published_sizes(preset):
    architecture = architecture_of(preset, (16, 100), 10)
    counts = {"small": (64, 128), "base": (256, 512)}
    assert (architecture.d_model, architecture.encoded) == counts[preset]
    assert architecture.hidden == (256, 256)


def test_the_order_of_the_rows_matters(model):
    seen = model.replay_buffer.sample(8).observations
    turned = model.policy.encoder(seen.flip(1))
    assert (turned != model.policy.encoder(seen)).any()


def test_an_encoder_in_bfloat16_gives_float32_close_to_that_of_float32(make_model):
    half, full = make_model(in_bfloat16=True), make_model()
    seen = torch.rand(8, 16, 100)
    features = half.policy.encoder(seen)
    assert features.dtype == torch.float32
    np.testing.assert_array_equal(flat(half.policy.encoder), flat(full.policy.encoder))
    difference = (features - full.policy.encoder(seen)).abs().max()
    assert 0 < difference < 0.05
    half.learn(60)  # and its gradients are whole
    assert np.isfinite(flat(half.policy.encoder)).all()
    assert isinstance(half.policy.encoder, WindowEncoder)


@pytest.mark.provokes("model-incompatible")
@pytest.mark.parametrize("shape", [(), (3, 64, 64)])
def test_observations_that_are_no_window_are_refused(shape):
    with pytest.raises(ModelIncompatibleError, match="cannot be learned from"):
        architecture_of("small", shape, 1)


# --- acting alone


def test_a_loaded_actor_acts_as_the_model_does(model):
    actor = load_actor(TINY, actor_weights(model.policy))
    seen = model.replay_buffer.sample(32).observations.numpy()
    np.testing.assert_array_equal(actor.act(seen), model.act(seen))


def test_an_actor_that_was_trained_in_bfloat16_acts_in_float32(make_model):
    model = make_model(in_bfloat16=True)
    actor = load_actor(TINY, actor_weights(model.policy))
    seen = np.random.default_rng(1).normal(size=(8, 16, 100)).astype(np.float32)
    actions = actor.act(seen)
    assert actions.dtype == np.float32
    np.testing.assert_allclose(actions, model.act(seen), atol=0.02)


def test_weights_are_copies(model):
    weights = actor_weights(model.policy)
    before = {name: array.copy() for name, array in weights.items()}
    model.train(2, model.batch_size)
    for name, array in weights.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.provokes("model-incompatible")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda weights: weights.pop("mu.0.bias"),
        lambda weights: weights.update(extra=np.zeros(3, np.float32)),
        lambda weights: weights.update({"mu.0.bias": np.zeros(7, np.float32)}),
    ],
    ids=["missing", "unknown", "of another shape"],
)
def test_weights_that_do_not_fit_are_refused(model, spoil):
    weights = actor_weights(model.policy)
    spoil(weights)
    with pytest.raises(ModelIncompatibleError) as caught:
        load_actor(TINY, weights)
    assert caught.value.why
