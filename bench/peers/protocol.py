"""How a peer talks to `mod bench` (see src/bench/worker.ts): one JSON line when it is ready, then one for each line on stdin."""
import json
import resource
import sys
import time


def peak_mib():
    """Largest resident memory of this process so far, MiB."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
    except OSError:  # no Linux; there, this counts what the parent had when it started the process
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def answer(message):
    print(json.dumps(message), flush=True)


def timed(work):
    started = time.perf_counter()
    work()
    return {"ms": 1000 * (time.perf_counter() - started)}


def serve(ready, commands):
    """Says that it is ready, then answers until stdin ends."""
    answer(ready)
    for line in sys.stdin:
        answer(commands[line.strip()]())


def serve_steps(version, threads, step, forward_backward):
    """By src/bench/protocol.ts: warms up with three steps, which return their language-model loss in nats."""
    losses = [step() for _ in range(3)]
    ready = {"version": version, "threads": threads, "losses": [losses[0], losses[-1]], "peakMiB": peak_mib()}
    serve(ready, {"step": lambda: timed(step), "forwardBackward": lambda: timed(forward_backward)})
