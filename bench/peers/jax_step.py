"""The training step of `mod bench train` in JAX: same model, same batch; forward, backward, clipping, AdamW in one jitted function.

The state is donated, so that it is updated in place. Shapes: B batch, T tokens, C routed tokens, D width, N heads, H head size, M MLP
width, V vocabulary, P predictor width.
"""
import json
import os
import sys
from functools import partial

settings = json.loads(sys.argv[1])
os.environ["JAX_PLATFORMS"] = "cpu"
if hasattr(os, "sched_setaffinity"):  # XLA takes as many threads as there are cores to run on
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: settings["threads"]])

import jax
import jax.numpy as jnp
from jax import lax
from protocol import serve_steps

NAMES = ("vocabSize", "seqLen", "nLayer", "dModel", "nHead", "dMlp", "batch", "capacity", "predictorWidth")
V, T, L, D, N, M, B, C, P = (settings[name] for name in NAMES)
H = D // N
ROUTED = [settings["model"] == "mod" and layer % 2 == 1 for layer in range(L)]
BASE, EPSILON, AUXILIARY_WEIGHT, CLIP_NORM = 10000, 1e-5, 0.01, 1.0
RATE, BETA1, BETA2, ADAM_EPSILON, WEIGHT_DECAY = 1e-3, 0.9, 0.95, 1e-8, 0.1
DECAYING = {"qkv", "output", "up", "down", "head"}

angles = jnp.arange(T)[:, None] * BASE ** (-jnp.arange(H // 2) / (H // 2))
COS, SIN = jnp.cos(angles), jnp.sin(angles)  # [T, H/2]
TOKENS = (jnp.arange(B * T) * 7919 % V).reshape(B, T)


def initial_parameters(key):
    keys = iter(jax.random.split(key, 16 * L + 2))

    def normal(rows, columns, std):
        return std * jax.random.normal(next(keys), (rows, columns))

    def layer(routed):
        block = {
            "norm1": jnp.ones(D),
            "qkv": normal(D, 3 * D, D**-0.5),
            "output": normal(D, D, (2 * L * D) ** -0.5),
            "norm2": jnp.ones(D),
            "up": normal(D, M, D**-0.5),
            "down": normal(M, D, (2 * L * M) ** -0.5),
        }
        if not routed:
            return block
        predictor = {
            "hidden": normal(D, P, D**-0.5),
            "hidden_bias": jnp.zeros(P),
            "logit": normal(P, 1, P**-0.5),
            "logit_bias": jnp.zeros(1),
        }
        return {**block, "router": normal(D, 1, 0.02), "predictor": predictor}

    return {
        "embedding": normal(V, D, 1),
        "layers": [layer(routed) for routed in ROUTED],
        "final_norm": jnp.ones(D),
        "head": normal(D, V, 0.02),
    }


def rms_norm(x, gain):
    return x * lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + EPSILON) * gain


def rotary(x, cos, sin):
    """x [B, N, T, H]; cos and sin [.., T, H/2]"""
    first, second = jnp.split(x, 2, -1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


def attention(p, x, cos, sin):
    """Causal: x [B, T, D] in the order of positions. As fast as jax.nn.dot_product_attention on the CPU, or faster."""
    b, t, _ = x.shape
    q, k, v = (part.swapaxes(1, 2) for part in jnp.split((x @ p["qkv"]).reshape(b, t, 3 * N, H), 3, 2))
    q, k = rotary(q, cos, sin), rotary(k, cos, sin)
    scores = jnp.einsum("bnqh,bnkh->bnqk", q, k) * H**-0.5
    allowed = jnp.tril(jnp.ones((t, t), bool))
    weights = jax.nn.softmax(jnp.where(allowed, scores, -1e30))
    mixed = jnp.einsum("bnqk,bnkh->bnqh", weights, v).swapaxes(1, 2)
    return mixed.reshape(b, t, D) @ p["output"]


def block_delta(p, x, cos, sin):
    attended = attention(p, rms_norm(x, p["norm1"]), cos, sin)
    hidden = jax.nn.relu(rms_norm(x + attended, p["norm2"]) @ p["up"])
    return attended + (hidden * hidden) @ p["down"]


def predictor_logits(p, x):
    hidden = jax.nn.relu(lax.stop_gradient(x) @ p["hidden"] + p["hidden_bias"])
    return (hidden @ p["logit"] + p["logit_bias"])[..., 0]  # [B, T]


def binary_cross_entropy(logits, labels):
    return jnp.mean(jax.nn.softplus(logits) - logits * labels)


def routed_block(p, x):
    """x with the C tokens of largest r of each sequence updated, in their order, and the losses of router and predictor."""
    r = (x @ p["router"])[..., 0]  # [B, T]
    positions = jnp.sort(lax.top_k(lax.stop_gradient(r), C)[1], -1)  # [B, C]
    rows = jnp.arange(B)[:, None]
    chosen = jnp.take_along_axis(x, positions[..., None], 1)
    gate = jnp.take_along_axis(r, positions, 1)[..., None]
    cos, sin = COS[positions][:, None], SIN[positions][:, None]  # [B, 1, C, H/2]
    delta = gate * block_delta(p, chosen, cos, sin)
    labels = jnp.zeros((B, T)).at[rows, positions].set(1.0, unique_indices=True)
    auxiliary = binary_cross_entropy(r, labels)
    foretold = binary_cross_entropy(predictor_logits(p["predictor"], x), labels)
    x = x.at[rows, positions].add(delta, unique_indices=True, indices_are_sorted=True)
    return x, auxiliary, foretold


def objective(parameters, tokens):
    """What is differentiated, and the language model's loss; tokens [B, T] are their own targets."""
    x = parameters["embedding"][tokens]
    router_losses = []
    for p in parameters["layers"]:
        if "router" in p:
            x, auxiliary, foretold = routed_block(p, x)
            router_losses.append(AUXILIARY_WEIGHT * auxiliary + foretold)
        else:
            x = x + block_delta(p, x, COS, SIN)
    logits = rms_norm(x, parameters["final_norm"]) @ parameters["head"]
    is_target = tokens[..., None] == jnp.arange(V)  # fuses with the softmax, forward and backward; a gather would not
    of_target = jnp.sum(jnp.where(is_target, logits, 0), -1)
    lm = jnp.mean(jax.nn.logsumexp(logits, -1) - of_target)
    return lm + sum(router_losses) / max(1, len(router_losses)), lm


def clip_factors(gradients):
    """For each leaf: predictors are clipped as a group of their own."""
    def group(path):
        return any(getattr(part, "key", None) == "predictor" for part in path)

    leaves, tree = jax.tree_util.tree_flatten_with_path(gradients)
    norms = [jnp.sqrt(sum(jnp.vdot(g, g) for path, g in leaves if group(path) == which)) for which in (False, True)]
    factors = [jnp.minimum(1, CLIP_NORM / (norm + 1e-6)) for norm in norms]
    return jax.tree_util.tree_unflatten(tree, [factors[group(path)] for path, _ in leaves])


def train_step(state, tokens):
    parameters, first, second, step = state
    (_, lm), gradients = jax.value_and_grad(objective, has_aux=True)(parameters, tokens)
    step = step + 1
    step_size = RATE * jnp.sqrt(1 - BETA2**step) / (1 - BETA1**step)
    epsilon = ADAM_EPSILON * jnp.sqrt(1 - BETA2**step)

    def update(path, p, m, v, g, clip):
        g = g * clip
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * g * g
        decay = 1 - RATE * WEIGHT_DECAY if path[-1].key in DECAYING else 1
        return decay * p - step_size * m / (jnp.sqrt(v) + epsilon), m, v

    updated = jax.tree_util.tree_map_with_path(
        update, parameters, first, second, gradients, clip_factors(gradients)
    )
    new = [jax.tree.map(lambda _, triple: triple[i], parameters, updated) for i in range(3)]
    return (*new, step), lm


parameters = jax.jit(initial_parameters)(jax.random.key(0))
zeros = partial(jax.tree.map, jnp.zeros_like)
state = (parameters, zeros(parameters), zeros(parameters), jnp.zeros((), jnp.float32))
compiled_step = jax.jit(train_step, donate_argnums=0)
compiled_gradients = jax.jit(jax.value_and_grad(objective, has_aux=True))


def step():
    global state
    state, lm = compiled_step(state, TOKENS)
    jax.block_until_ready(state)
    return lm.item()


def forward_backward():
    jax.block_until_ready(compiled_gradients(state[0], TOKENS))


threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
serve_steps(jax.__version__, threads, step, forward_backward)
