"""What all peers written in Python share: the files that they are given, and the conversation that they hold.

A peer is a process. Its arguments are a folder and a variant of the peer (`eager`, `tuned`, ...). In the folder are

    spec.json              what to do: the work, the network's configuration, threads, the optimiser's numbers
    weights.safetensors    the network's parameters, by their names in diffusers
    inputs.safetensors     for training, x0, noise and t of each step; for sampling, the noise that it starts from: NHWC

It says one JSON object a line on standard output, first `{"ready": ...}`, and then one for each line that it reads:

    check     does the work from its beginning, a little of it  ->  {"values": {name: [numbers]}}
    run n     goes on for n steps, timing each                  ->  {"ms": [n numbers]}
    memory    ->  {"peak_mib": number}

What it cannot do it says as `{"error": reason}`, and ends. `{"missing": package}` in place of `ready` means that the
package is not installed. It ends when its input does.
"""

import importlib
import json
import os
import resource
import sys
import time


def serve(package, threads_variables, open_work):
    """Talks to whoever drives this process.

    package: what must be importable.
    threads_variables: environment variables that say how many threads the package uses; set before it is imported.
    open_work: (variant, spec, weights, inputs) -> the work: `check()`, `step()`, and `parameters`, how many there are.
    """
    folder, variant = sys.argv[1:3]
    with open(os.path.join(folder, "spec.json"), encoding="utf-8") as file:
        spec = json.load(file)
    keep_to_processors(spec["threads"])
    for name in threads_variables:
        os.environ[name] = str(spec["threads"])
    for needed in ("numpy", package):
        try:
            importlib.import_module(needed)
        except ImportError:
            return say(missing=needed)
    try:
        weights = read_safetensors(os.path.join(folder, "weights.safetensors"))
        inputs = read_safetensors(os.path.join(folder, "inputs.safetensors"))
        work = open_work(variant, spec, weights, inputs)
        del weights
        say(ready=f"{package} {importlib.import_module(package).__version__}", parameters=work.parameters)
        for line in sys.stdin:
            answer(work, line.split())
    except Exception as error:  # Whatever it is, whoever drives this process is to know.
        say(error=" ".join(f"{type(error).__name__}: {error}".split())[:500])
        sys.exit(1)


def answer(work, request):
    match request:
        case ["check"]:
            say(values=work.check())
        case ["run", count]:
            say(ms=[timed(work.step) for _ in range(int(count))])
        case ["memory"]:
            say(peak_mib=round(peak_kib() / 1024))
        case _:
            raise ValueError(f"no such request: {' '.join(request)}")


def timed(function):
    """Milliseconds that a function takes."""
    begin = time.perf_counter()
    function()
    return (time.perf_counter() - begin) * 1e3


def best_of(function, repetitions):
    """The least milliseconds of some repetitions, after one that does not count."""
    function()
    return min(timed(function) for _ in range(repetitions))


def say(**values):
    print(json.dumps(values), flush=True)


def keep_to_processors(threads):
    """Restricts this process to as many processors as it may use threads, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def peak_kib():
    """The most memory that this process has had resident, in KiB."""
    try:
        # Of this program alone; getrusage counts what the process that started it had, where that was more.
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1024 if sys.platform == "darwin" else peak


def read_safetensors(path):
    """The tensors of a file as NumPy arrays, by name."""
    import numpy

    types = {"F32": numpy.float32, "I32": numpy.int32}
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            elements = numpy.frombuffer(data[begin:end], types[entry["dtype"]])
            tensors[name] = elements.reshape(entry["shape"]).copy()
    return tensors


def require_known(config):
    """Refuses configurations with parts that the peers' networks do not have."""
    for field, value in (("self_condition", False), ("num_class_embeds", None), ("dropout", 0)):
        if config[field] != value:
            raise ValueError(f"the peers' networks have no {field}, and the configuration's is {config[field]}")


def frequencies(config):
    """The angular frequencies of the time embedding, in float64."""
    import numpy

    half = config["block_out_channels"][0] // 2
    return numpy.exp(-numpy.log(10_000) * numpy.arange(half) / (half - config["freq_shift"]))
