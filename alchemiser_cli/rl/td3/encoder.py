"""The transformer that turns a window of observations into features."""

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["WindowEncoder"]


class WindowEncoder(BaseFeaturesExtractor):
    """A pre-norm transformer encoder over the window's rows, pooled by attention.

    Vaswani et al. 2017, with the normalisation before each part (Xiong et al. 2020); pooling
    weights each row by a learned score (Ilse et al. 2018). Takes float32 of shape
    (n, window, features), returns (n, encoded) in float32, whatever precision it computes in.
    """

    def __init__(
        self,
        observation_space: spaces.Box,
        *,
        d_model: int,
        heads: int,
        layers: int,
        feedforward: int,
        encoded: int,
        in_bfloat16: bool = False,
    ) -> None:
        """Make the layers; with ``in_bfloat16`` matrices are multiplied in that precision."""
        super().__init__(observation_space, encoded)
        window, features = observation_space.shape
        self.embed = nn.Linear(features, d_model)
        self.position = nn.Parameter(torch.randn(window, d_model) * 0.02)
        self.blocks = nn.ModuleList(_Block(d_model, heads, feedforward) for _ in range(layers))
        self.norm = nn.LayerNorm(d_model)
        self.score = nn.Linear(d_model, 1)
        self.head = nn.Linear(d_model, encoded)
        self.in_bfloat16 = in_bfloat16

    def forward(self, observations: Tensor) -> Tensor:
        """Return the features of each window."""
        with torch.autocast(observations.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            rows = self.embed(observations)
            rows = rows + self.position.to(rows.dtype)
            for block in self.blocks:
                rows = block(rows)
            rows = self.norm(rows)
            weights = torch.softmax(self.score(rows), dim=1)
            pooled = (weights * rows).sum(dim=1)
            features: Tensor = functional.relu(self.head(pooled))
        return features.float()


class _Block(nn.Module):
    """Attention over the rows, then a network for each row, both added to what came in."""

    def __init__(self, d_model: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(d_model)
        self.queries_keys_values = nn.Linear(d_model, 3 * d_model)
        self.attended = nn.Linear(d_model, d_model)
        self.feedforward_norm = nn.LayerNorm(d_model)
        self.widen = nn.Linear(d_model, feedforward)
        self.narrow = nn.Linear(feedforward, d_model)

    def forward(self, rows: Tensor) -> Tensor:
        """Return rows of the same shape, (n, window, d_model)."""
        rows = rows + self._attend(self.attention_norm(rows))
        wide = functional.relu(self.widen(self.feedforward_norm(rows)))
        widened: Tensor = rows + self.narrow(wide)
        return widened

    def _attend(self, rows: Tensor) -> Tensor:
        count, window, width = rows.shape
        split = self.queries_keys_values(rows).view(count, window, 3, self.heads, -1)
        queries, keys, values = split.permute(2, 0, 3, 1, 4).contiguous()
        # Written out: PyTorch's fused attention takes several times as long on the way back on a
        # CPU in bfloat16, and gains nothing at a window of 16 rows.
        scores = queries * queries.shape[-1] ** -0.5 @ keys.transpose(-2, -1)
        attended = torch.softmax(scores.float(), dim=-1).to(values.dtype) @ values
        merged: Tensor = self.attended(attended.transpose(1, 2).reshape(count, window, width))
        return merged
