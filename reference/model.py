"""The model of docs/MODEL.md in PyTorch, written from the equations there; fields are named in src/model/config.ts.

One sequence at a time, a routed block on exactly its chosen tokens: as plain as the equations, and slow. Parameters are
a dict of the names of docs/MODEL.md, a configuration is the `model` object of a `config.json`. Routing is learned and
has a predictor: all that the fixtures need.

Axis letters: B batch, T tokens, C chosen tokens, D width, N heads, K key/value heads, H head size, F MLP width,
V vocabulary, P predictor width, L routed layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, gelu, silu

Config = dict[str, Any]
Parameters = dict[str, Tensor]
Rule = Literal["topk", "predictor", "auxiliary"]
Role = Literal["matrix", "norm", "embedding", "router", "predictor"]


@dataclass(frozen=True)
class Routing:
    """What the routed blocks did: each [L, T] of a sequence, or [B, L, T] of a batch."""

    r: Tensor
    chosen: Tensor
    predicted: Tensor  # the predictor's logits


def is_routed(config: Config, layer: int) -> bool:
    return config["pattern"][layer % len(config["pattern"])] == "mod"


def parameter_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Names and shapes, in the order of the table of docs/MODEL.md."""
    V, D, N = config["vocabSize"], config["dModel"], config["nHead"]
    K, F, H = config.get("nKvHead", N), config.get("dMlp", 4 * D), D // N
    shapes: dict[str, tuple[int, ...]] = {"embedding": (V, D)}
    for i in range(config["nLayer"]):
        layer = f"layers.{i}"
        shapes[f"{layer}.attentionNorm"] = (D,)
        shapes[f"{layer}.attention.qkv"] = (D, (N + 2 * K) * H)
        shapes[f"{layer}.attention.output"] = (D, D)
        shapes[f"{layer}.feedForwardNorm"] = (D,)
        shapes[f"{layer}.feedForward.up"] = (D, F)
        if config["mlp"] == "swiglu":
            shapes[f"{layer}.feedForward.gate"] = (D, F)
        shapes[f"{layer}.feedForward.down"] = (F, D)
        if is_routed(config, i):
            P = config["routing"]["predictor"]["width"]
            shapes[f"{layer}.router"] = (D, 1)
            shapes[f"{layer}.predictor.hidden"] = (D, P)
            shapes[f"{layer}.predictor.hiddenBias"] = (P,)
            shapes[f"{layer}.predictor.output"] = (P, 1)
            shapes[f"{layer}.predictor.outputBias"] = (1,)
    shapes["finalNorm"] = (D,)
    if not config["tiedHead"]:
        shapes["head"] = (D, V)
    return shapes


def role_of(name: str) -> Role:
    """What the optimizer takes a parameter for."""
    if ".predictor." in name:
        return "predictor"
    if name.endswith(".router"):
        return "router"
    if name.endswith("Norm"):
        return "norm"
    return "embedding" if name == "embedding" else "matrix"


def forward(
    p: Parameters, tokens: Tensor, documents: Tensor, config: Config, rule: Rule
) -> tuple[Tensor, Routing | None]:
    """Logits [B, T, V] of tokens [B, T], and the routing, or None for a model without routed blocks."""
    rows = [forward_sequence(p, row, docs, config, rule) for row, docs in zip(tokens, documents)]
    logits = torch.stack([row_logits for row_logits, _ in rows])
    routings = [routing for _, routing in rows if routing is not None]
    if not routings:
        return logits, None
    r, chosen, predicted = (torch.stack([getattr(x, key) for x in routings]) for key in ("r", "chosen", "predicted"))
    return logits, Routing(r, chosen, predicted)


def forward_sequence(
    p: Parameters, tokens: Tensor, documents: Tensor, config: Config, rule: Rule
) -> tuple[Tensor, Routing | None]:
    positions = torch.arange(len(tokens))
    x = p["embedding"][tokens]  # [T, D]
    routings: list[tuple[Tensor, Tensor, Tensor]] = []
    for i in range(config["nLayer"]):
        layer = layer_parameters(p, i)
        if is_routed(config, i):
            x, routing = routed_block(layer, x, documents, config, rule)
            routings.append(routing)
        else:
            x = x + block_delta(layer, x, positions, documents, config)
    head = p["embedding"].T if config["tiedHead"] else p["head"]
    logits = rms_norm(x, p["finalNorm"], config) @ head  # [T, V]
    return logits, Routing(*(torch.stack(parts) for parts in zip(*routings))) if routings else None


def layer_parameters(p: Parameters, layer: int) -> Parameters:
    prefix = f"layers.{layer}."
    return {name.removeprefix(prefix): value for name, value in p.items() if name.startswith(prefix)}


def rms_norm(x: Tensor, gain: Tensor, config: Config) -> Tensor:
    return gain * x / torch.sqrt(x.square().mean(dim=-1, keepdim=True) + config["normEpsilon"])


def block_delta(p: Parameters, x: Tensor, positions: Tensor, documents: Tensor, config: Config) -> Tensor:
    """f(x) of tokens x [C, D] that stand at `positions` [C] of their sequence."""
    a = attention(p, rms_norm(x, p["attentionNorm"], config), positions, documents, config)
    return a + mlp(p, rms_norm(x + a, p["feedForwardNorm"], config), config)


def attention(p: Parameters, x: Tensor, positions: Tensor, documents: Tensor, config: Config) -> Tensor:
    C, D = x.shape
    N = config["nHead"]
    K, H = config.get("nKvHead", N), D // N
    q, k, v = (x @ p["attention.qkv"]).split([N * H, K * H, K * H], dim=-1)
    q = rotate(q.reshape(C, N, H), positions, config)
    k = rotate(k.reshape(C, K, H), positions, config)
    of_query_head = torch.arange(N) // (N // K)
    k, v = k[:, of_query_head], v.reshape(C, K, H)[:, of_query_head]  # [C, N, H]
    scores = torch.einsum("snh,tnh->nst", q, k) / math.sqrt(H)
    visible = (positions[None, :] <= positions[:, None]) & (documents[None, :] == documents[:, None])  # [C, C]
    weights = scores.masked_fill(~visible, -math.inf).softmax(dim=-1)
    return torch.einsum("nst,tnh->snh", weights, v).reshape(C, D) @ p["attention.output"]


def rotate(x: Tensor, positions: Tensor, config: Config) -> Tensor:
    """Rotary positions on x [C, heads, H]."""
    H = x.shape[-1]
    frequency = config["rotaryBase"] ** (-2 * torch.arange(H // 2, dtype=x.dtype) / H)  # [H/2]
    angle = (positions[:, None] * frequency)[:, None, :]  # [C, 1, H/2]
    a, b = x[..., : H // 2], x[..., H // 2 :]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], dim=-1)


def mlp(p: Parameters, x: Tensor, config: Config) -> Tensor:
    up = x @ p["feedForward.up"]  # [C, F]
    if config["mlp"] == "squaredRelu":
        hidden = up.relu().square()
    elif config["mlp"] == "gelu":
        hidden = gelu(up, approximate="tanh")
    else:
        hidden = silu(x @ p["feedForward.gate"]) * up
    return hidden @ p["feedForward.down"]


def routed_block(
    p: Parameters, x: Tensor, documents: Tensor, config: Config, rule: Rule
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Equation 1 of Raposo et al. 2024 on x [T, D]; also r, the chosen tokens and the predictor's logits, each [T]."""
    r = (x @ p["router"]).squeeze(-1)
    hidden = (x.detach() @ p["predictor.hidden"] + p["predictor.hiddenBias"]).relu()
    predicted = (hidden @ p["predictor.output"] + p["predictor.outputBias"]).squeeze(-1)
    chosen = choose(r, predicted, config, rule)
    at = chosen.nonzero().squeeze(-1)  # [C], ascending: in order of position, and the positions themselves
    delta = block_delta(p, x[at], at, documents[at], config)
    return x.index_add(0, at, gate(r[at], config)[:, None] * delta), (r, chosen, predicted)


def choose(r: Tensor, predicted: Tensor, config: Config, rule: Rule) -> Tensor:
    """Which tokens are routed through, bool [T]."""
    if rule == "auxiliary":
        return r > 0
    if rule == "predictor":
        return predicted > 0
    capacity = max(1, round(config["routing"]["capacityRatio"] * len(r)))
    order = r.detach().sort(descending=True, stable=True).indices  # ties keep their order: the lower position first
    return torch.zeros(len(r), dtype=torch.bool).index_fill(0, order[:capacity], True)


def gate(r: Tensor, config: Config) -> Tensor:
    return {"linear": r, "sigmoid": r.sigmoid(), "tanh": r.tanh(), "one": torch.ones_like(r)}[config["routing"]["gate"]]


def losses(logits: Tensor, targets: Tensor, routing: Routing | None) -> dict[str, Tensor]:
    """The four parts of the loss; those of routing are 0 without routed blocks."""
    lm = cross_entropy(logits.flatten(0, 1), targets.flatten())
    if routing is None:
        zero = torch.zeros_like(lm)
        return {"lm": lm, "auxiliary": zero, "predictor": zero, "zLoss": zero}
    label = routing.chosen.to(routing.r.dtype)
    return {
        "lm": lm,
        "auxiliary": binary_cross_entropy_with_logits(routing.r, label),
        "predictor": binary_cross_entropy_with_logits(routing.predicted, label),
        "zLoss": routing.r.square().mean(),
    }


def total_loss(parts: dict[str, Tensor], config: Config) -> Tensor:
    routing = config["routing"]
    if routing["kind"] == "none":
        return parts["lm"]
    auxiliary = 0 if routing["auxiliary"] is None else routing["auxiliary"]["weight"] * parts["auxiliary"]
    return parts["lm"] + auxiliary + parts["predictor"] + routing["zLoss"] * parts["zLoss"]
