"""Writes reference/fixtures: what PyTorch makes of tiny models and ten steps of AdamW, in double precision.

    python3 reference/make_fixtures.py            writes them
    python3 reference/make_fixtures.py --check    compares the committed ones with what it would write
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from model import (
    Config,
    Expertise,
    Parameters,
    Routing,
    Rule,
    forward,
    losses,
    parameter_shapes,
    role_of,
    slots_of,
    total_loss,
)

FIXTURES = Path(__file__).parent / "fixtures"
ROWS = 3
# Warms up, then falls. The last update is small.
LEARNING_RATES = [0.003, 0.006, 0.01, 0.009, 0.008, 0.007, 0.006, 0.004, 0.002, 0.001]
# No choice of a token may hang on less than this, or single precision could choose another.
MARGIN = 5e-3
# The same of experts, of which there are many more choices.
EXPERT_MARGIN = 2e-4
# A fixture reproduces if no number differs by more, relative to the largest of its array.
CHECK_TOLERANCE = 1e-6
# Where the documents of each row begin.
DOCUMENT_STARTS = [[0, 5], [0], [0, 3, 11]]

Arrays = dict[str, np.ndarray]
Summary = dict[str, Any]

SHAPE = {"vocabSize": 32, "seqLen": 16, "dModel": 16}


@dataclass(frozen=True)
class Case:
    seed: int
    model: Config
    optimizer: dict[str, Any]


CASES = {
    "dense": Case(
        seed=2,
        model={
            **SHAPE,
            **{"nLayer": 2, "nHead": 4, "nKvHead": 2, "mlp": "swiglu", "dMlp": 24, "pattern": ["dense"]},
            **{"routing": {"kind": "none"}, "tiedHead": False},
            **{"rotaryBase": 10_000, "normEpsilon": 1e-5, "routerStd": 0.02},
        },
        optimizer={
            **{"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-6, "weightDecay": 0.3, "decay": ["matrix"]},
            **{"clipNorm": 1, "routerRate": 1},
        },
    ),
    "mod": Case(
        seed=13,
        model={
            **SHAPE,
            **{"nLayer": 4, "nHead": 2, "mlp": "squaredRelu", "pattern": ["dense", "mod"]},
            "routing": {
                **{"kind": "learned", "capacityRatio": 0.25, "gate": "linear", "auxiliary": {"weight": 0.01}},
                **{"predictor": {"width": 4}, "zLoss": 0.001},
            },
            **{"tiedHead": False, "rotaryBase": 100, "normEpsilon": 1e-5, "routerStd": 0.02},
        },
        optimizer={
            **{"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-4, "weightDecay": 0.3, "decay": ["matrix"]},
            **{"clipNorm": 1.4, "routerRate": 0.5},
        },
    ),
    "mod-sigmoid": Case(
        seed=79,
        model={
            **SHAPE,
            **{"nLayer": 3, "nHead": 4, "nKvHead": 1, "mlp": "gelu", "dMlp": 40, "pattern": ["mod"]},
            "routing": {
                **{"kind": "learned", "capacityRatio": 0.3, "gate": "sigmoid", "auxiliary": None},
                **{"predictor": {"width": 3}, "zLoss": 0},
            },
            **{"tiedHead": True, "rotaryBase": 100, "normEpsilon": 1e-2, "routerStd": 0.02},
        },
        optimizer={
            **{"beta1": 0.8, "beta2": 0.99, "epsilon": 1e-3, "weightDecay": 0.5},
            **{"decay": ["matrix", "embedding", "router"], "clipNorm": 2, "routerRate": 3},
        },
    ),
    "mode-integrated": Case(
        seed=5,
        model={
            **SHAPE,
            **{"nLayer": 3, "nHead": 2, "mlp": "swiglu", "dMlp": 24, "pattern": ["moe", "dense"]},
            "routing": {"kind": "none"},
            "experts": {
                **{"choice": "token", "count": 3, "perToken": 2, "noOps": 2, "capacityFactor": 0.8, "dMlp": 12},
                **{"balance": 0.05, "zLoss": 0.01},
            },
            **{"tiedHead": False, "rotaryBase": 100, "normEpsilon": 1e-5, "routerStd": 0.02},
        },
        optimizer={
            **{"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-4, "weightDecay": 0.1, "decay": ["matrix"]},
            **{"clipNorm": 1, "routerRate": 0.5},
        },
    ),
    "mode-staged": Case(
        seed=3,
        model={
            **SHAPE,
            **{"nLayer": 3, "nHead": 2, "mlp": "squaredRelu", "dMlp": 20, "pattern": ["dense", "mode"]},
            "routing": {
                **{"kind": "learned", "capacityRatio": 0.5, "gate": "linear", "auxiliary": {"weight": 0.01}},
                **{"predictor": {"width": 4}, "zLoss": 0},
            },
            "experts": {
                **{"choice": "token", "count": 3, "perToken": 1, "noOps": 0, "capacityFactor": 1},
                **{"balance": 0.02, "zLoss": 0.001},
            },
            **{"tiedHead": False, "rotaryBase": 100, "normEpsilon": 1e-5, "routerStd": 0.02},
        },
        optimizer={
            **{"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-4, "weightDecay": 0.1, "decay": ["matrix"]},
            **{"clipNorm": 1, "routerRate": 1},
        },
    ),
    "mode-expert-choice": Case(
        seed=2,
        model={
            **SHAPE,
            **{"nLayer": 2, "nHead": 2, "mlp": "gelu", "dMlp": 20, "pattern": ["moe", "mode"]},
            "routing": {
                **{"kind": "learned", "capacityRatio": 0.75, "gate": "linear", "auxiliary": None},
                **{"predictor": {"width": 4}, "zLoss": 0},
            },
            "experts": {
                **{"choice": "expert", "count": 3, "capacityFactor": 1.5, "zLoss": 0.01},
                **{"auxiliary": {"weight": 0.1}, "predictor": {"width": 5}},
            },
            **{"tiedHead": True, "rotaryBase": 100, "normEpsilon": 1e-5, "routerStd": 0.02},
        },
        optimizer={
            **{"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-4, "weightDecay": 0.1, "decay": ["matrix"]},
            **{"clipNorm": 1, "routerRate": 1},
        },
    ),
}


def draw_parameters(config: Config, random: np.random.Generator) -> Parameters:
    """Values with which every part matters: gains and biases off their constants, r of a standard deviation near 1."""
    values: Parameters = {}
    for name, shape in parameter_shapes(config).items():
        noise = random.standard_normal(shape)
        role = role_of(name)
        if role == "norm":
            value = 1 + 0.3 * noise
        elif role == "embedding":
            value = 0.7 * noise
        elif role == "router":
            value = 0.3 * noise
        else:
            value = noise / np.sqrt(shape[-2]) if len(shape) > 1 else 0.3 * noise
        # What is stored is float32: the reference starts from the very same numbers.
        values[name] = torch.tensor(value.astype(np.float32).astype(np.float64), requires_grad=True)
    return values


def draw_batch(config: Config, random: np.random.Generator) -> dict[str, Tensor]:
    shape = (ROWS, config["seqLen"])
    documents = np.zeros(shape, dtype=np.int64)
    for row, starts in enumerate(DOCUMENT_STARTS):
        documents[row, starts] = 1
    # No token twice in a row: a first layer that is routed would see two equal r.
    tokens = np.stack([random.permutation(config["vocabSize"])[: shape[1]] for _ in range(ROWS)])
    return {
        "tokens": torch.tensor(tokens),
        "targets": torch.tensor(random.integers(0, config["vocabSize"], shape)),
        "documents": torch.tensor(documents.cumsum().reshape(shape)),
    }


def make_optimizer(parameters: Parameters, settings: dict[str, Any]) -> torch.optim.AdamW:
    """One group for each parameter, which holds the factor of its learning rate."""
    groups = [
        {
            "params": [value],
            "weight_decay": settings["weightDecay"] if role_of(name) in settings["decay"] else 0,
            "rate": settings["routerRate"] if role_of(name) == "router" else 1,
        }
        for name, value in parameters.items()
    ]
    return torch.optim.AdamW(groups, betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"])


def margin_of_experts(x: Expertise, experts: Config, rule: Rule) -> float:
    """How far the closest choice of a layer of experts is from another one."""
    if experts["choice"] == "expert" and rule != "topk":
        return float((x.logits if rule == "auxiliary" else x.predicted).detach().abs().min())
    by_token = experts["choice"] == "token"
    falling = x.logits.detach().softmax(dim=-1).sort(dim=1 if by_token else 0, descending=True).values
    if by_token:
        return float((falling[:, experts["perToken"] - 1] - falling[:, experts["perToken"]]).min())
    slots = slots_of(experts, len(x.logits))
    return float((falling[slots - 1] - falling[slots]).min())


def margin_of_choice(routing: Routing, rule: Rule) -> float:
    """How far the closest token of a pass is from the other choice."""
    if rule == "topk":
        capacity = int(routing.chosen[0, 0].sum())
        falling = routing.r.sort(dim=-1, descending=True).values  # [B, L, T]
        return float((falling[..., capacity - 1] - falling[..., capacity]).min())
    return float((routing.r if rule == "auxiliary" else routing.predicted).abs().min())


def require_margin(
    where: str, routing: Routing | None, expertise: list[Expertise], config: Config, rule: Rule
) -> None:
    of_experts = [margin_of_experts(x, config["experts"], rule) for x in expertise if len(x.logits) > 0]
    margins = [
        (MARGIN, MARGIN if routing is None else margin_of_choice(routing, rule)),
        (EXPERT_MARGIN, min(of_experts, default=EXPERT_MARGIN)),
    ]
    for needed, margin in margins:
        if margin < needed:
            raise AssertionError(f"{where}, {rule}: choices must have a margin of {needed}, got {margin}; change the seed")


def rules_of(config: Config) -> list[Rule]:
    if config["routing"]["kind"] != "none" or config.get("experts", {}).get("choice") == "expert":
        return ["topk", "auxiliary", "predictor"]
    return ["topk", "through"] if "experts" in config else ["topk"]


def passes(name: str, parameters: Parameters, batch: dict[str, Tensor], config: Config) -> Arrays:
    """Logits and choices of the first parameters under each rule; for a dense model there is one."""
    arrays: Arrays = {}
    for rule in rules_of(config):
        logits, routing, expertise = forward(parameters, batch["tokens"], batch["documents"], config, rule)
        require_margin(name, routing, expertise, config, rule)
        arrays[f"logits.{rule}"] = numpy(logits)
        for i in range(0 if routing is None else routing.chosen.shape[1]):
            arrays[f"routedThrough.{rule}.{i}"] = numpy(routing.chosen[:, i])
    return arrays


def train(name: str, case: Case, parameters: Parameters, batch: dict[str, Tensor]) -> tuple[list[Summary], Arrays]:
    """Ten updates in place: losses and norms of each, gradients of the first, parameters after the first and last."""
    optimizer = make_optimizer(parameters, case.optimizer)
    groups = {
        "gradientNorm": [value for key, value in parameters.items() if role_of(key) != "predictor"],
        "predictorGradientNorm": [value for key, value in parameters.items() if role_of(key) == "predictor"],
    }
    steps: list[Summary] = []
    arrays: Arrays = {}
    for step, learning_rate in enumerate(LEARNING_RATES, start=1):
        optimizer.zero_grad()
        logits, routing, expertise = forward(parameters, batch["tokens"], batch["documents"], case.model, "topk")
        require_margin(f"{name}, step {step}", routing, expertise, case.model, "topk")
        parts = losses(logits, batch["targets"], routing, expertise, case.model)
        total_loss(parts, case.model).backward()
        if step == 1:
            arrays |= {f"gradient.{key}": numpy(value.grad) for key, value in parameters.items()}
        clip = case.optimizer["clipNorm"]
        norms = {key: float(clip_grad_norm_(group, clip)) if group else None for key, group in groups.items()}
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * group["rate"]
        optimizer.step()
        steps.append({**{key: float(value.detach()) for key, value in parts.items()}, **norms})
        if step in (1, len(LEARNING_RATES)):
            arrays |= {f"step{step}.{key}": numpy(value) for key, value in parameters.items()}
    return steps, arrays


def numpy(tensor: Tensor | None) -> np.ndarray:
    assert tensor is not None
    return tensor.detach().numpy().astype(np.float32)


def make_fixture(name: str, case: Case) -> tuple[Summary, Arrays]:
    random = np.random.default_rng(case.seed)
    parameters = draw_parameters(case.model, random)
    batch = draw_batch(case.model, random)
    arrays = {key: numpy(value) for key, value in batch.items()}
    arrays |= {f"value.{key}": numpy(value) for key, value in parameters.items()}
    arrays |= passes(name, parameters, batch, case.model)
    steps, trained = train(name, case, parameters, batch)
    summary: Summary = {
        "seed": case.seed,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "model": case.model,
        "optimizer": case.optimizer,
        "learningRates": LEARNING_RATES,
        "steps": steps,
    }
    return summary, arrays | trained


def encode_safetensors(arrays: Arrays) -> bytes:
    """https://github.com/huggingface/safetensors#format"""
    header, offset = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(array.astype("<f4").tobytes() for array in arrays.values())


def decode_safetensors(data: bytes) -> Arrays:
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return {
        name: np.frombuffer(data[start:][slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for name, entry in header.items()
    }


def write(name: str, summary: Summary, arrays: Arrays) -> None:
    FIXTURES.mkdir(exist_ok=True)
    (FIXTURES / f"{name}.safetensors").write_bytes(encode_safetensors(arrays))
    (FIXTURES / f"{name}.json").write_text(json.dumps(summary, indent=2) + "\n")


def problems(name: str, summary: Summary, arrays: Arrays) -> list[str]:
    """What of a committed fixture is not what this script makes."""
    committed = json.loads((FIXTURES / f"{name}.json").read_text())
    found = [
        f"{name}.json: {key} is not what the script says"
        for key in ("seed", "model", "optimizer", "learningRates")
        if committed[key] != summary[key]
    ]
    numbers = arrays | step_arrays(summary)
    stored = decode_safetensors((FIXTURES / f"{name}.safetensors").read_bytes()) | step_arrays(committed)
    found += [f"{name}: {key} is on one side only" for key in sorted(numbers.keys() ^ stored.keys())]
    for key in numbers.keys() & stored.keys():
        error = difference(stored[key], numbers[key])
        if not error <= CHECK_TOLERANCE:
            found.append(f"{name}: {key} differs by {error:.2g} of its largest value, allowed {CHECK_TOLERANCE:.2g}")
    return found


def step_arrays(summary: Summary) -> Arrays:
    steps = summary["steps"]
    return {f"steps.{key}": np.array([step[key] or 0 for step in steps]) for key in steps[0]}


def difference(actual: np.ndarray, expected: np.ndarray) -> float:
    if actual.shape != expected.shape:
        return float("inf")
    return float(np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-12))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed fixtures, write nothing")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    found: list[str] = []
    for name, case in CASES.items():
        summary, arrays = make_fixture(name, case)
        if check:
            found += problems(name, summary, arrays)
        else:
            write(name, summary, arrays)
    for problem in found:
        print(problem)
    if not found:
        print(f"{', '.join(CASES)}: {'reproduced' if check else 'written'} with torch {torch.__version__}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
