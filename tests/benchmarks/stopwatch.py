"""How the benchmarks take time."""

import timeit


def seconds(call, rounds=5):
    """Return the shortest of several runs of `call`; like all of timeit's, they run without the garbage collector."""
    return min(timeit.repeat(call, number=1, repeat=rounds))
