"""A detection benchmark for gradient checkers: right functions, mechanically mutated gradients, every peer in one run.

    python -m benchmarks.detection            the table of the README
    python -m benchmarks.detection --help     to choose checkers, problems and seed

``problem.py`` says what a problem is, ``problems/`` holds them, ``verify.py`` proves their gradients. ``mutate.py``
makes wrong gradients of them and labels the kind of bug; ``floors.py`` says which of them double precision can decide
and ``cases.py`` puts both together. ``adapters.py`` has the checkers behind one signature, ``score.py`` counts,
``run.py`` is the command.
"""
