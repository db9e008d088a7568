"""Tells, as one JSON line, which of the peers of `mod bench` this interpreter can import (see src/bench/probe.ts)."""
import json


def torch():
    import torch

    return {"version": torch.__version__, "mkl": torch.backends.mkl.is_available()}


def jax():
    import jax

    return {"version": jax.__version__}


def probe(load):
    try:
        return load()
    except Exception as error:
        return {"error": str(error).splitlines()[0]}


print(json.dumps({"torch": probe(torch), "jax": probe(jax)}))
