"""Sampling for `mod bench sample` in PyTorch, 1.13 or later, eager and in float32: same model, same prompts, keys and values cached.

Routed blocks decide by chance, before the clock runs. A step computes the sequences that a block routes through and no others. Before
it is ready, the process compares what it computes with a pass without a cache over all tokens.

Shapes: B sequences, R those of them (or, in a prompt, tokens) that a block computes, T tokens, D width, N heads, H head size, M MLP
width, V vocabulary.
"""
import json
import sys
import time
from statistics import NormalDist

import torch
import torch.nn.functional as F
from protocol import serve

settings = json.loads(sys.argv[1])
torch.set_num_threads(settings["threads"])
torch.manual_seed(0)
NAMES = ("vocabSize", "nLayer", "dModel", "nHead", "dMlp", "batch", "prompt", "tokens", "capacityRatio")
V, L, D, N, M, B, PROMPT, NEW, RATIO = (settings[name] for name in NAMES)
H = D // N
LENGTH = PROMPT + NEW
ROUTED = [settings["model"] == "mod" and layer % 2 == 1 for layer in range(L)]
FUSED = hasattr(F, "scaled_dot_product_attention")
BASE, EPSILON = 10000, 1e-5
WARM_TOKENS, TRIAL_TOKENS = min(16, NEW), min(32, NEW)
SEGMENT_STEPS = 32  # as in src/bench/sampleProtocol.ts
CHECKED_SEQUENCES, TOLERANCE = 4, 1e-3

angles = torch.arange(LENGTH)[:, None] * BASE ** (-torch.arange(H // 2) / (H // 2))
# For queries and keys; the old attention's scale is in those of the queries.
SCALES = torch.tensor([1.0 if FUSED else H**-0.5, 1.0])[:, None, None]
COS = torch.cat([angles.cos(), angles.cos()], -1)[:, None, None] * SCALES  # [T, 2, 1, H]
SIN = torch.cat([-angles.sin(), angles.sin()], -1)[:, None, None] * SCALES
PLACES = torch.arange(LENGTH)
PROMPTS = (torch.arange(B * PROMPT) * 7919 % V).view(B, PROMPT)
CHOSEN = torch.randn(LENGTH, L, B) > NormalDist().inv_cdf(1 - RATIO) if any(ROUTED) else None


def rows_of(position, layer):
    """Sequences that a routed block computes at a position, [R]; None for no sequence, and where all are computed."""
    rows = CHOSEN[position, layer].nonzero().view(-1) if ROUTED[layer] else PLACES[:0]
    return rows if len(rows) > 0 else None


STEP_ROWS = [[rows_of(position, layer) for layer in range(L)] for position in range(LENGTH)]


def best_of_three(work):
    times = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


MANY = 7


def row_class(rows):
    """1, 2-3, 4-7, ... rows, and 64 or more."""
    return min(rows.bit_length(), MANY)


# Ways to x · weight [inputs, outputs], of which each version of each library has others that are fast for few rows: with the weight as
# it is or transposed, and whether it takes one row only.
WAYS = [
    ("plain", False, torch.mm),
    ("transposed", False, F.linear),
    ("transposed", False, lambda x, weight: torch.mm(weight, x.t()).t().contiguous()),
    ("plain", True, lambda x, weight: torch.mv(weight.t(), x.view(-1))[None]),
    ("transposed", True, lambda x, weight: torch.mv(weight, x.view(-1))[None]),
]


class Product:
    """x [R, inputs] -> x · weight, in the way that is fastest for so many rows."""

    def __init__(self, layouts, ways):
        self.layouts, self.ways = layouts, ways

    def __call__(self, x):
        layout, _, multiply = self.ways.get(row_class(x.shape[0]), self.ways[MANY])
        return multiply(x, self.layouts[layout])


@torch.inference_mode()
def products(weights, classes):
    """For each weight its product, after trying all ways with so many rows, and with many, through all weights: they come from memory."""
    tried = [{"plain": weight, "transposed": weight.t().contiguous()} for weight in weights]

    def fastest(rows):
        x = torch.randn(rows, weights[0].shape[0])

        def seconds(way):
            layout, _, multiply = way
            return best_of_three(lambda: [multiply(x, layouts[layout]) for layouts in tried])

        return min((way for way in WAYS if rows == 1 or not way[1]), key=seconds)

    ways = {rows: fastest(2 ** (rows - 1)) for rows in {*classes, MANY}}
    used = {layout for layout, _, _ in ways.values()}
    return [Product({layout: layouts[layout] for layout in used}, ways) for layouts in tried]


def normal(inputs, outputs, std):
    return torch.randn(inputs, outputs) * std


class Block:
    norm1 = norm2 = torch.ones(D)


def make_blocks(layers, classes):
    """Blocks of one kind, and the numbers of rows that they compute in a step."""
    residual = (2 * L) ** -0.5
    sizes = {
        "qkv": (D, 3 * D, D**-0.5),
        "output": (D, D, D**-0.5 * residual),
        "up": (D, M, D**-0.5),
        "down": (M, D, M**-0.5 * residual),
    }
    blocks = {layer: Block() for layer in layers}
    for name, size in sizes.items() if layers else ():
        for block, product in zip(blocks.values(), products([normal(*size) for _ in layers], classes)):
            setattr(block, name, product)
    for block in blocks.values():
        block.router = normal(D, 1, 0.02)
    return blocks


of_layers = {
    **make_blocks([layer for layer in range(L) if not ROUTED[layer]], {row_class(B)}),
    **make_blocks([layer for layer in range(L) if ROUTED[layer]], range(1, row_class(B) + 1)),
}
blocks = [of_layers[layer] for layer in range(L)]
embedding, final_norm = normal(V, D, 1), torch.ones(D)
(head,) = products([normal(D, V, 0.02)], {row_class(B)})


class EvenCache:
    """Keys and values of a layer whose sequences are all of one length."""

    def __init__(self, places):
        self.keys, self.values = torch.zeros(2, B, N, places, H)
        self.length = 0

    def fill(self, k, v, lengths):
        self.length = 0
        self._reserve(k.shape[2])
        self.keys[:, :, : k.shape[2]] = k
        self.values[:, :, : k.shape[2]] = v
        self.length = k.shape[2]

    def append(self, rows, k, v):
        """k and v [B, N, H]; all keys and values, and no mask"""
        self._reserve(self.length + 1)
        self.keys[:, :, self.length] = k
        self.values[:, :, self.length] = v
        self.length += 1
        return self.keys[:, :, : self.length], self.values[:, :, : self.length], None

    def _reserve(self, places):
        missing = places - self.keys.shape[2]
        if missing > 0:
            self.keys, self.values = (F.pad(x, (0, 0, 0, max(missing, x.shape[2]))) for x in (self.keys, self.values))


class RaggedCache(EvenCache):
    """Keys and values of a routed layer: each sequence has as many as it was routed through for."""

    def fill(self, k, v, lengths):
        super().fill(k, v, lengths)
        self.lengths = lengths  # [B]; places from there on are not read

    def append(self, rows, k, v):
        """k and v [R, N, H]; keys and values of those sequences, and which of them there are, [R, 1, 1, places]"""
        last = self.lengths[rows]
        places = int(last.max()) + 1
        self._reserve(places)
        self.keys[rows, :, last] = k
        self.values[rows, :, last] = v
        self.lengths[rows] = last + 1
        there = PLACES[:places] <= last[:, None]
        return self.keys[rows, :, :places], self.values[rows, :, :places], there[:, None, None]


def make_cache(routed):
    if not routed:
        return EvenCache(LENGTH)
    places = min(LENGTH, round(2 * RATIO * LENGTH) + 1)  # grows if chance will have it so
    return EvenCache(places) if B == 1 else RaggedCache(places)


caches = [make_cache(routed) for routed in ROUTED]


def rms_norm(x, gain):
    if hasattr(F, "rms_norm"):
        return F.rms_norm(x, (D,), gain, EPSILON)
    return x * (x.square().mean(-1, keepdim=True) + EPSILON).rsqrt_() * gain


def rotary(qk, cos, sin):
    """qk [.., 2, N, H]; cos and sin [.., 2, 1, H]"""
    return torch.addcmul(qk * cos, qk.roll(H // 2, -1), sin)


def attend(q, k, v, there=None, causal=False):
    """q [B, N, T, H], k and v [B, N, places, H]"""
    if FUSED:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=there, is_causal=causal)
    scores = torch.matmul(q, k.transpose(-1, -2))
    if causal:
        there = PLACES[: k.shape[2]] <= PLACES[: q.shape[2], None]
    if there is not None:
        scores.masked_fill_(~there, float("-inf"))
    return torch.matmul(scores.softmax(-1), v)


def after_attention(p, x, mixed):
    """The rest of a block: x and mixed [R, D] -> x + f(x)"""
    x = x + p.output(mixed)
    return x.add_(p.down(p.up(rms_norm(x, p.norm2)).relu_().square_()))


def step_block(p, x, position, cache, rows):
    """A token of each of R sequences, x [R, D]"""
    qkv = p.qkv(rms_norm(x, p.norm1)).view(-1, 3, N, H)
    qk = rotary(qkv[:, :2], COS[position], SIN[position])
    keys, values, there = cache.append(rows, qk[:, 1], qkv[:, 2])
    mixed = attend(qk[:, 0].unsqueeze(2), keys, values, there)  # [R, N, 1, H]
    return after_attention(p, x, mixed.view(-1, D))


def step_pass(tokens, position):
    """One more token of each sequence, [B]: logits [B, V]"""
    x = embedding[tokens]
    for p, cache, rows, routed in zip(blocks, caches, STEP_ROWS[position], ROUTED):
        if not routed:
            x = step_block(p, x, position, cache, None)
        elif rows is not None and B == 1:
            x = torch.lerp(x, step_block(p, x, position, cache, rows), torch.mm(x, p.router))
        elif rows is not None:
            chosen = x.index_select(0, rows)
            updated = step_block(p, chosen, position, cache, rows)
            x.index_copy_(0, rows, torch.lerp(chosen, updated, torch.mm(chosen, p.router)))
    return head(rms_norm(x, final_norm))


def prompt_block(p, x, rows, cache, lengths):
    """The tokens of prompts that a block computes, x [R, D]; `rows` tells where in [B · T] they stand, `lengths` how many each has."""
    sequences, positions = torch.div(rows, PROMPT, rounding_mode="floor"), rows % PROMPT
    places = torch.arange(len(rows)) - (lengths.cumsum(0) - lengths)[sequences]
    qkv = p.qkv(rms_norm(x, p.norm1)).view(-1, 3, N, H)
    padded = qkv.new_zeros(B, int(lengths.max()), 3, N, H)
    padded[sequences, places, :2] = rotary(qkv[:, :2], COS[positions], SIN[positions])
    padded[sequences, places, 2] = qkv[:, 2]
    q, k, v = padded.permute(2, 0, 3, 1, 4)
    cache.fill(k, v, lengths)
    mixed = attend(q, k, v, causal=True).transpose(1, 2)  # padding comes last, so that no token attends to it
    return after_attention(p, x, mixed[sequences, places].reshape(-1, D))


def prompt_pass():
    """All prompts: logits after the last token, [B, V]"""
    x = embedding[PROMPTS.view(-1)]  # [B · T, D]
    for layer, (p, cache) in enumerate(zip(blocks, caches)):
        chosen = CHOSEN[:PROMPT, layer].t() if ROUTED[layer] else torch.ones(B, PROMPT, dtype=torch.bool)
        rows, lengths = chosen.reshape(-1).nonzero().view(-1), chosen.sum(1)
        if not ROUTED[layer]:
            x = prompt_block(p, x, rows, cache, lengths)
        elif len(rows) == 0:
            cache.fill(*torch.empty(2, B, N, 0, H), lengths)
        else:
            before = x[rows]
            x[rows] = torch.lerp(before, prompt_block(p, before, rows, cache, lengths), torch.mm(before, p.router))
    last = x.view(B, PROMPT, D)[:, -1]
    return head(rms_norm(last, final_norm))


def generate(new, on_logits=lambda logits: None):
    """One generation, segment by segment, by `segmentSchema` of src/bench/sampleProtocol.ts."""
    started = time.perf_counter()
    logits = prompt_pass()
    tokens = logits.argmax(-1)
    first = 1000 * (time.perf_counter() - started)
    on_logits(logits)
    position, end = PROMPT, PROMPT + new - 1
    while position < end:
        begin, position = position, min(position + SEGMENT_STEPS, end)
        times = []
        for place in range(begin, position):
            started = time.perf_counter()
            logits = step_pass(tokens, place)
            tokens = logits.argmax(-1)
            times.append(1000 * (time.perf_counter() - started))
            on_logits(logits)
        yield {
            "firstTokenMs": first,
            "stepMs": times,
            "isLast": position == end,
            "kvMiB": sum(x.numel() * x.element_size() for cache in caches for x in (cache.keys, cache.values)) / 2**20,
            "routedRows": routed_rows(begin, position),
        }
        first = None


def routed_rows(begin, end):
    if CHOSEN is None:
        return []
    return torch.bincount(CHOSEN[begin:end, ROUTED].sum(-1).view(-1), minlength=B + 1).tolist()


@torch.inference_mode()
def trial():
    return {"stepMs": [ms for each in generate(TRIAL_TOKENS) for ms in each["stepMs"]]}


def generations():
    while True:
        yield from generate(NEW)


@torch.inference_mode()
def segment():
    return next(running)


def uncached(tokens, sequence):
    """Logits [T, V] of one sequence, tokens [T]: every block computes all tokens, and a mask leaves out those not routed through."""
    (length,) = tokens.shape
    positions = PLACES[:length]
    x = embedding[tokens]
    for layer, p in enumerate(blocks):
        through = CHOSEN[:length, layer, sequence] if ROUTED[layer] else torch.ones(length, dtype=torch.bool)
        qkv = p.qkv(rms_norm(x, p.norm1)).view(length, 3, N, H)
        q, k = rotary(qkv[:, :2], COS[:length], SIN[:length]).permute(1, 2, 0, 3)  # [N, T, H]
        allowed = (positions <= positions[:, None]) & (through | (positions == positions[:, None]))
        mixed = attend(q[None], k[None], qkv[None, :, 2].transpose(1, 2), allowed)
        updated = after_attention(p, x, mixed.transpose(1, 2).reshape(length, D))
        gated = torch.lerp(x, updated, torch.mm(x, p.router)) if ROUTED[layer] else updated
        x = torch.where(through[:, None], gated, x)
    return head(rms_norm(x, final_norm))


@torch.inference_mode()
def check():
    """Generates a little, which warms up, and fails unless its logits are those of `uncached`."""
    cached = []
    list(generate(WARM_TOKENS, cached.append))
    new = torch.stack([logits.argmax(-1) for logits in cached], 1)  # [B, T]
    for sequence in range(min(B, CHECKED_SEQUENCES)):
        tokens = torch.cat([PROMPTS[sequence], new[sequence, :-1]])
        expected = uncached(tokens, sequence)[PROMPT - 1 :]
        error = (torch.stack(cached, 1)[sequence] - expected).abs().max().item()
        if not error < TOLERANCE:
            raise ArithmeticError(f"logits with a cache must be those without, got a difference of {error}")


check()
ready = {"version": torch.__version__, "threads": torch.get_num_threads()}
running = generations()
serve(ready, {"trial": trial, "segment": segment})
