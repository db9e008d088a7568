"""The training step of `mod bench train` in PyTorch, 1.13 or later: same model, same batch; forward, backward, clipping, AdamW.

Newer versions use their fused kernels (scaled_dot_product_attention, rms_norm, fused AdamW); `compile` compiles the forward and
backward pass. Shapes: B batch, T tokens, C routed tokens, D width, N heads, H head size, M MLP width, V vocabulary.
"""
import json
import math
import sys

import torch
import torch.nn.functional as F
from protocol import serve_steps

settings = json.loads(sys.argv[1])
torch.set_num_threads(settings["threads"])
torch.manual_seed(0)
NAMES = ("vocabSize", "seqLen", "nLayer", "dModel", "nHead", "dMlp", "batch", "capacity", "predictorWidth")
V, T, L, D, N, M, B, C, P = (settings[name] for name in NAMES)
H = D // N
ROUTED = [settings["model"] == "mod" and layer % 2 == 1 for layer in range(L)]
FUSED = hasattr(F, "scaled_dot_product_attention") and hasattr(F, "rms_norm")
BASE, EPSILON, AUXILIARY_WEIGHT, CLIP_NORM = 10000, 1e-5, 0.01, 1.0


def normal(rows, columns, std):
    return torch.nn.Parameter(torch.randn(rows, columns) * std)


def constant(size, value):
    return torch.nn.Parameter(torch.full((size,), float(value)))


def block_parameters():
    return {
        "norm1": constant(D, 1),
        "qkv": normal(D, 3 * D, D**-0.5),
        "output": normal(D, D, (2 * L * D) ** -0.5),
        "norm2": constant(D, 1),
        "up": normal(D, M, D**-0.5),
        "down": normal(M, D, (2 * L * M) ** -0.5),
    }


def predictor_parameters():
    return {
        "hidden": normal(D, P, D**-0.5),
        "hidden_bias": constant(P, 0),
        "logit": normal(P, 1, P**-0.5),
        "logit_bias": constant(1, 0),
    }


embedding, head, final_norm = normal(V, D, 1), normal(D, V, 0.02), constant(D, 1)
blocks = [block_parameters() for _ in ROUTED]
routers = [normal(D, 1, 0.02) if routed else None for routed in ROUTED]
predictors = [predictor_parameters() if routed else None for routed in ROUTED]

angles = torch.arange(T)[:, None] * BASE ** (-torch.arange(H // 2) / (H // 2))
COS, SIN = torch.cos(angles), torch.sin(angles)  # [T, H/2]
FORBIDDEN = torch.full((T, T), float("-inf")).triu(1)
ROW_STARTS = torch.arange(B)[:, None] * T
tokens = (torch.arange(B * T) * 7919 % V).view(B, T)


def rms_norm(x, gain):
    if FUSED:
        return F.rms_norm(x, (D,), gain, EPSILON)
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * gain


def rotary(x, cos, sin):
    """x [B, N, T, H]; cos and sin [.., T, H/2]"""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def attention(p, x, cos, sin):
    b, t, _ = x.shape
    q, k, v = (x @ p["qkv"]).view(b, t, 3, N, H).permute(2, 0, 3, 1, 4)
    q, k = rotary(q, cos, sin), rotary(k, cos, sin)
    if FUSED:
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    else:
        scores = torch.matmul(q, k.transpose(-1, -2)) * H**-0.5 + FORBIDDEN[:t, :t]
        mixed = torch.matmul(scores.softmax(-1), v)
    return mixed.transpose(1, 2).reshape(b, t, D) @ p["output"]


def block_delta(p, x, cos, sin):
    attended = attention(p, rms_norm(x, p["norm1"]), cos, sin)
    hidden = F.relu(rms_norm(x + attended, p["norm2"]) @ p["up"])
    return attended + (hidden * hidden) @ p["down"]


def predictor_logits(p, x):
    hidden = F.relu(x.detach() @ p["hidden"] + p["hidden_bias"])
    return (hidden @ p["logit"] + p["logit_bias"]).squeeze(-1)  # [B, T]


def routed_block(p, router, predictor, x):
    """x with the C tokens of largest r of each sequence updated, in their order, and the losses of router and predictor."""
    r = (x @ router).squeeze(-1)  # [B, T]
    positions = r.topk(C, dim=-1).indices.sort(-1).values  # [B, C]
    rows = (positions + ROW_STARTS).view(-1)
    cos, sin = COS[positions][:, None], SIN[positions][:, None]  # [B, 1, C, H/2]
    chosen = x.view(B * T, D).index_select(0, rows).view(B, C, D)
    delta = block_delta(p, chosen, cos, sin) * r.gather(1, positions)[..., None]
    labels = torch.zeros_like(r).scatter(1, positions, 1.0)
    auxiliary = F.binary_cross_entropy_with_logits(r, labels)
    foretold = F.binary_cross_entropy_with_logits(predictor_logits(predictor, x), labels)
    return x.view(B * T, D).index_add(0, rows, delta.view(B * C, D)).view(B, T, D), auxiliary, foretold


def losses():
    """The language model's loss, and what is differentiated."""
    x = F.embedding(tokens, embedding)
    auxiliary, foretold = [], []
    for p, router, predictor in zip(blocks, routers, predictors):
        if router is None:
            x = x + block_delta(p, x, COS, SIN)
        else:
            x, a, f = routed_block(p, router, predictor, x)
            auxiliary.append(a)
            foretold.append(f)
    logits = rms_norm(x, final_norm) @ head
    lm = F.cross_entropy(logits.view(-1, V), tokens.view(-1))
    if not auxiliary:
        return lm, lm
    return lm, lm + (AUXILIARY_WEIGHT * sum(auxiliary) + sum(foretold)) / len(auxiliary)


of_predictors = [p for predictor in predictors if predictor for p in predictor.values()]
of_model = [p for block in blocks for p in block.values()] + [r for r in routers if r is not None] + [embedding, head, final_norm]
decaying = [p[name] for p in blocks for name in ("qkv", "output", "up", "down")] + [head]
kept = {id(p) for p in decaying}
groups = [
    {"params": decaying, "weight_decay": 0.1},
    {"params": [p for p in of_model + of_predictors if id(p) not in kept], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), **({"fused": True} if FUSED else {"foreach": True}))
model = torch.compile(losses) if settings["compile"] else losses


def forward_backward():
    optimizer.zero_grad(set_to_none=True)
    lm, total = model()
    total.backward()
    return lm


def step():
    lm = forward_backward()
    for group in (of_model, of_predictors):
        if group:
            torch.nn.utils.clip_grad_norm_(group, CLIP_NORM)
    optimizer.step()
    return lm.item()


serve_steps(torch.__version__, torch.get_num_threads(), step, forward_backward)
