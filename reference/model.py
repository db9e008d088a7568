"""The model of docs/MODEL.md in PyTorch, written from the equations there; fields are named in src/model/config.ts.

One sequence at a time, a routed block on exactly its chosen tokens: as plain as the equations, and slow. Parameters are
a dict of the names of docs/MODEL.md, a configuration is the `model` object of a `config.json`. Routing is learned and
has a predictor, and so have experts that choose: all that the fixtures need.

Axis letters: B batch, T tokens, C chosen tokens, D width, N heads, K key/value heads, H head size, F MLP width,
V vocabulary, P predictor width, L routed layers, E experts, O no-op experts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, gelu, silu

Config = dict[str, Any]
Parameters = dict[str, Tensor]
Rule = Literal["topk", "predictor", "auxiliary", "through"]
Role = Literal["matrix", "norm", "embedding", "router", "predictor"]


@dataclass(frozen=True)
class Routing:
    """What the routed blocks did: each [L, T] of a sequence, or [B, L, T] of a batch."""

    r: Tensor
    chosen: Tensor
    predicted: Tensor  # the predictor's logits


@dataclass(frozen=True)
class Expertise:
    """What the experts of one layer did with n tokens of one sequence."""

    logits: Tensor  # [n, E + O]
    chosen: Tensor  # bool [n, E + O], dropped ones too
    predicted: Tensor | None  # the predictor's logits, [n, E]


def kind_of(config: Config, layer: int) -> str:
    return config["pattern"][layer % len(config["pattern"])]


def is_routed(config: Config, layer: int) -> bool:
    return kind_of(config, layer) in ("mod", "mode")


def has_experts(config: Config, layer: int) -> bool:
    return kind_of(config, layer) in ("moe", "mode")


def routes_of(experts: Config) -> int:
    return experts["count"] + experts.get("noOps", 0)


def slots_of(experts: Config, tokens: int) -> int:
    """Tokens of a sequence that an expert takes while training."""
    share = experts["capacityFactor"] * tokens / routes_of(experts)
    if experts["choice"] == "expert":
        return min(tokens, max(1, math.floor(share + 0.5)))
    return min(tokens, max(1, math.ceil(experts["perToken"] * share)))


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
        shapes |= expert_shapes(f"{layer}.experts", config) if has_experts(config, i) else {
            f"{layer}.feedForward.{name}": shape for name, shape in mlp_shapes(config, D, F).items()
        }
        if is_routed(config, i):
            shapes[f"{layer}.router"] = (D, 1)
            shapes |= predictor_shapes(f"{layer}.predictor", D, config["routing"]["predictor"]["width"], 1)
    shapes["finalNorm"] = (D,)
    if not config["tiedHead"]:
        shapes["head"] = (D, V)
    return shapes


def mlp_shapes(config: Config, D: int, F: int) -> dict[str, tuple[int, ...]]:
    gate = {"gate": (D, F)} if config["mlp"] == "swiglu" else {}
    return {"up": (D, F), **gate, "down": (F, D)}


def expert_shapes(prefix: str, config: Config) -> dict[str, tuple[int, ...]]:
    experts, D = config["experts"], config["dModel"]
    E, F = experts["count"], experts.get("dMlp", config.get("dMlp", 4 * D))
    shapes: dict[str, tuple[int, ...]] = {f"{prefix}.router": (D, routes_of(experts))}
    shapes |= {f"{prefix}.{name}": (E, *shape) for name, shape in mlp_shapes(config, D, F).items()}
    if experts["choice"] == "expert":
        shapes |= predictor_shapes(f"{prefix}.predictor", D, experts["predictor"]["width"], E)
    return shapes


def predictor_shapes(prefix: str, D: int, P: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{prefix}.hidden": (D, P),
        f"{prefix}.hiddenBias": (P,),
        f"{prefix}.output": (P, outputs),
        f"{prefix}.outputBias": (outputs,),
    }


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
) -> tuple[Tensor, Routing | None, list[Expertise]]:
    """
    Logits [B, T, V] of tokens [B, T], the routing, or None for a model without routed blocks, and what the experts did in each
    sequence and layer.
    """
    rows = [forward_sequence(p, row, docs, config, rule) for row, docs in zip(tokens, documents)]
    logits = torch.stack([row_logits for row_logits, _, _ in rows])
    experts = [expertise for _, _, of_row in rows for expertise in of_row]
    routings = [routing for _, routing, _ in rows if routing is not None]
    if not routings:
        return logits, None, experts
    r, chosen, predicted = (torch.stack([getattr(x, key) for x in routings]) for key in ("r", "chosen", "predicted"))
    return logits, Routing(r, chosen, predicted), experts


def forward_sequence(
    p: Parameters, tokens: Tensor, documents: Tensor, config: Config, rule: Rule
) -> tuple[Tensor, Routing | None, list[Expertise]]:
    positions = torch.arange(len(tokens))
    x = p["embedding"][tokens]  # [T, D]
    routings: list[tuple[Tensor, Tensor, Tensor]] = []
    seen: list[Expertise] = []
    for i in range(config["nLayer"]):
        layer = layer_parameters(p, i)
        if is_routed(config, i):
            x, routing = routed_block(layer, x, documents, config, rule, seen)
            routings.append(routing)
        else:
            x = x + block_delta(layer, x, positions, documents, config, rule, seen)
    head = p["embedding"].T if config["tiedHead"] else p["head"]
    logits = rms_norm(x, p["finalNorm"], config) @ head  # [T, V]
    return logits, Routing(*(torch.stack(parts) for parts in zip(*routings))) if routings else None, seen


def layer_parameters(p: Parameters, layer: int) -> Parameters:
    prefix = f"layers.{layer}."
    return {name.removeprefix(prefix): value for name, value in p.items() if name.startswith(prefix)}


def rms_norm(x: Tensor, gain: Tensor, config: Config) -> Tensor:
    return gain * x / torch.sqrt(x.square().mean(dim=-1, keepdim=True) + config["normEpsilon"])


def block_delta(
    p: Parameters, x: Tensor, positions: Tensor, documents: Tensor, config: Config, rule: Rule, seen: list[Expertise]
) -> Tensor:
    """f(x) of tokens x [C, D] that stand at `positions` [C] of their sequence; what its experts did goes into `seen`."""
    a = attention(p, rms_norm(x, p["attentionNorm"], config), positions, documents, config)
    normalized = rms_norm(x + a, p["feedForwardNorm"], config)
    if "experts.router" not in p:
        return a + mlp({name: p[f"feedForward.{name}"] for name in mlp_shapes(config, 0, 0)}, normalized, config)
    y, expertise = mixture_of_experts(p, normalized, config, rule)
    seen.append(expertise)
    return a + y


def mixture_of_experts(p: Parameters, x: Tensor, config: Config, rule: Rule) -> tuple[Tensor, Expertise]:
    """Experts in place of the MLP, one after the other, on x [n, D]."""
    experts = config["experts"]
    logits = x @ p["experts.router"]
    probabilities = logits.softmax(dim=-1)
    predicted = None
    if experts["choice"] == "expert":
        predicted = predictor(p, "experts.predictor", x)
    chosen = choose_experts(logits, probabilities, predicted, experts, rule)
    weights = probabilities * chosen
    if experts.get("perToken", 1) > 1:
        weights = weights / weights.sum(dim=-1, keepdim=True)
    y = torch.zeros_like(x)
    for e in range(experts["count"]):
        at = chosen[:, e].nonzero().squeeze(-1)
        if experts["choice"] == "token" and rule == "topk":
            at = at[: slots_of(experts, len(x))]  # later tokens find no slot
        own = {name: p[f"experts.{name}"][e] for name in mlp_shapes(config, 0, 0)}
        y = y.index_add(0, at, weights[at, e][:, None] * mlp(own, x[at], config))
    return y, Expertise(logits, chosen, predicted)


def choose_experts(logits: Tensor, probabilities: Tensor, predicted: Tensor | None, experts: Config, rule: Rule) -> Tensor:
    """Which expert and token belong together before any is dropped, bool [n, E + O]."""
    if experts["choice"] == "token":
        return largest(probabilities, experts["perToken"], dim=1)
    if rule == "topk":
        return largest(probabilities, slots_of(experts, len(logits)), dim=0)
    return (logits if rule == "auxiliary" else predicted) > 0


def largest(values: Tensor, count: int, dim: int) -> Tensor:
    """Whether a value is among the `count` largest along an axis; ties keep their order."""
    order = values.detach().sort(dim=dim, descending=True, stable=True).indices
    return torch.zeros_like(values, dtype=torch.bool).scatter(dim, order.narrow(dim, 0, count), True)


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
    """x [C, D]; `up`, `down` and, with SwiGLU, `gate`."""
    up = x @ p["up"]  # [C, F]
    if config["mlp"] == "squaredRelu":
        hidden = up.relu().square()
    elif config["mlp"] == "gelu":
        hidden = gelu(up, approximate="tanh")
    else:
        hidden = silu(x @ p["gate"]) * up
    return hidden @ p["down"]


def predictor(p: Parameters, prefix: str, x: Tensor) -> Tensor:
    """Logits [C, outputs] from x [C, D], into which no gradient goes."""
    hidden = (x.detach() @ p[f"{prefix}.hidden"] + p[f"{prefix}.hiddenBias"]).relu()
    return hidden @ p[f"{prefix}.output"] + p[f"{prefix}.outputBias"]


def routed_block(
    p: Parameters, x: Tensor, documents: Tensor, config: Config, rule: Rule, seen: list[Expertise]
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Equation 1 of Raposo et al. 2024 on x [T, D]; also r, the chosen tokens and the predictor's logits, each [T]."""
    r = (x @ p["router"]).squeeze(-1)
    predicted = predictor(p, "predictor", x).squeeze(-1)
    chosen = choose(r, predicted, config, rule)
    at = chosen.nonzero().squeeze(-1)  # [C], ascending: in order of position, and the positions themselves
    delta = block_delta(p, x[at], at, documents[at], config, rule, seen)
    return x.index_add(0, at, gate(r[at], config)[:, None] * delta), (r, chosen, predicted)


def choose(r: Tensor, predicted: Tensor, config: Config, rule: Rule) -> Tensor:
    """Which tokens are routed through, bool [T]."""
    if rule == "auxiliary":
        return r > 0
    if rule == "predictor":
        return predicted > 0
    capacity = max(1, round(config["routing"]["capacityRatio"] * len(r)))
    return largest(r, capacity, dim=0)


def gate(r: Tensor, config: Config) -> Tensor:
    return {"linear": r, "sigmoid": r.sigmoid(), "tanh": r.tanh(), "one": torch.ones_like(r)}[config["routing"]["gate"]]


def losses(
    logits: Tensor, targets: Tensor, routing: Routing | None, expertise: list[Expertise], config: Config
) -> dict[str, Tensor]:
    """The parts of the loss; those of routing are 0 without routed blocks, those of experts are not there without experts."""
    lm = cross_entropy(logits.flatten(0, 1), targets.flatten())
    return routing_losses(lm, routing) | (expert_losses(expertise, config["experts"]) if expertise else {})


def expert_losses(expertise: list[Expertise], experts: Config) -> dict[str, Tensor]:
    """Means over sequences and layers."""

    def average(part: Callable[[Expertise], Tensor]) -> Tensor:
        return torch.stack([part(x) for x in expertise]).mean()

    parts = {"expertZLoss": average(lambda x: x.logits.logsumexp(dim=-1).square().mean())}
    if experts["choice"] == "token":
        return parts | {"balance": average(lambda x: imbalance(x, experts))}
    return parts | {
        "expertAuxiliary": average(lambda x: binary_cross_entropy_with_logits(x.logits, x.chosen.to(x.logits.dtype))),
        "expertPredictor": average(
            lambda x: binary_cross_entropy_with_logits(x.predicted, x.chosen.to(x.logits.dtype))
        ),
    }


def imbalance(x: Expertise, experts: Config) -> Tensor:
    shares = x.chosen.to(x.logits.dtype).mean(dim=0) / experts["perToken"]  # f
    return routes_of(experts) * (shares * x.logits.softmax(dim=-1).mean(dim=0)).sum()


def routing_losses(lm: Tensor, routing: Routing | None) -> dict[str, Tensor]:
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
    return routed_total(parts, config["routing"]) + (expert_total(parts, config["experts"]) if "experts" in config else 0)


def expert_total(parts: dict[str, Tensor], experts: Config) -> Tensor:
    total = experts["zLoss"] * parts["expertZLoss"]
    if experts["choice"] == "token":
        return total + experts["balance"] * parts["balance"]
    return total + experts["auxiliary"]["weight"] * parts["expertAuxiliary"] + parts["expertPredictor"]


def routed_total(parts: dict[str, Tensor], routing: Config) -> Tensor:
    if routing["kind"] == "none":
        return parts["lm"]
    auxiliary = 0 if routing["auxiliary"] is None else routing["auxiliary"]["weight"] * parts["auxiliary"]
    return parts["lm"] + auxiliary + parts["predictor"] + routing["zLoss"] * parts["zLoss"]
