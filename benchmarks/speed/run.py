"""From options to measurements to tables, on the terminal and in the documents."""

from __future__ import annotations

import argparse
import sys

from benchmarks.speed import check, documents, gradients, memory, startup, table
from benchmarks.speed.peers import PEERS
from benchmarks.speed.workloads import WORKLOADS, chosen

README_ROWS = "readme"


def run(options: argparse.Namespace) -> int:
    """The exit code: 2 for a name that does not exist, 1 where some peer's derivative is wrong."""
    peers = options.peers.split(",") if options.peers else list(PEERS)
    unknown = [name for name in peers if name not in PEERS]
    if unknown:
        print(f"no peer {', '.join(unknown)}; there are {', '.join(PEERS)}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{w.name}  [{' '.join(w.sets)}]" for w in WORKLOADS))
        print("peers:", ", ".join(PEERS))
        return 0
    return {"gradients": _gradients, "memory": _memory, "check": _check, "startup": _startup}[options.what](
        options, peers
    )


def _gradients(options: argparse.Namespace, peers: list[str]) -> int:
    workloads = chosen(options.only, options.chosen, options.large)
    if not workloads:
        print("no workload is left; see --list", file=sys.stderr)
        return 2
    rows = []
    for row in gradients.rows(workloads, peers, options.seconds, options.limit):
        rows.append(row)
        print(f"{len(rows)} of {len(workloads)}: {row.workload}", file=sys.stderr, flush=True)
    print(_whole(rows, peers, options.markdown))
    if options.update_docs:
        name = f"speed gradients, {'one thread' if options.threads == '1' else 'default threads'}"
        if options.chosen == "default":
            documents.update(documents.PERFORMANCE, name, _whole(rows, peers, markdown=True))
        _update_readme(rows, peers, options.threads)
    return int(any(cell.word == "WRONG" for row in rows for cell in row.cells.values()))


def _whole(rows: list[gradients.Row], peers: list[str], markdown: bool) -> str:
    parts = [
        table.gradients(rows, peers, markdown),
        table.environment(peers, gradients.threads()),
        table.reasons(rows, markdown),
    ]
    return "\n\n".join(part for part in parts if part)


def _update_readme(rows: list[gradients.Row], peers: list[str], threads: str) -> None:
    """The rows of the README, where all of them have been measured with one thread."""
    wanted = [workload.name for workload in chosen([], README_ROWS)]
    shown = [row for row in rows if row.workload in wanted]
    if threads == "1" and len(shown) == len(wanted):
        text = f"{table.gradients(shown, peers, markdown=True)}\n\n{table.environment(peers, gradients.threads())}"
        documents.update(documents.README, "speed", text)


def _finish(options: argparse.Namespace, name: str, head: list[str], body: list[list[str]], below: str) -> int:
    print(f"{table.grid(head, body, options.markdown)}\n\n{below}")
    if options.update_docs:
        documents.update(documents.PERFORMANCE, f"speed {name}", f"{table.grid(head, body, markdown=True)}\n\n{below}")
    return 0


def _memory(options: argparse.Namespace, peers: list[str]) -> int:
    return _finish(
        options, "memory", *memory.measured(peers, options.only), table.environment(peers, gradients.threads())
    )


def _check(options: argparse.Namespace, peers: list[str]) -> int:
    head, body, below = check.measured()
    return _finish(options, "check", head, body, below)


def _startup(options: argparse.Namespace, peers: list[str]) -> int:
    return _finish(options, "startup", *startup.measured(), table.environment([], gradients.threads()))
