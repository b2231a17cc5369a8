"""A speed benchmark: derivatives of realistic programs by gradcheck and by other libraries, in one run.

    python -m benchmarks.speed              derivative time over plain-f time, the table of docs/performance.md
    python -m benchmarks.speed memory       peak memory of a gradient over that of f
    python -m benchmarks.speed check        what a check costs beside its evaluations of f
    python -m benchmarks.speed startup      what the command costs beside its imports
    python -m benchmarks.speed --help       to choose workloads, peers, threads

``workload.py`` says what a problem is, ``workloads/`` holds them. ``peers.py`` has the libraries behind one signature,
``timing.py`` takes the times, ``table.py`` prints them, ``documents.py`` writes them into the documents.
``gradients.py``, ``memory.py``, ``check.py`` and ``startup.py`` are the four measurements, ``__main__.py`` and
``run.py`` the command.
"""
