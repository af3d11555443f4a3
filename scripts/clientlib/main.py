# SPDX-License-Identifier: BSD-2-Clause
"""The command line of scripts/clients."""

import argparse
import signal
import sys
from pathlib import Path

from lablib.errors import LabError, UsageError
from lablib.main import terminate

from . import rows, runs, table


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(prog="clients", description="Real hypervisors as L1, natively and on ours.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="the clients there are")
    run = commands.add_parser("run", help="run clients natively and on the hypervisor",
                              description="Runs each client natively and on the hypervisor; the verdict is what "
                              "the innermost guest prints. Results are kept for `table`.")
    run.add_argument("name", nargs="*", help="which clients (default: the quick ones)")
    run.add_argument("--all", action="store_true", help="every client")
    run.add_argument("--only", choices=("native", "xmhf"), help="one of the two sides")
    run.add_argument("--xmhf", type=Path, default=rows.XMHF, metavar="PATH", help="the hypervisor")
    run.add_argument("--snapshot", action="store_true",
                     help="start where L1's Linux was ready in an earlier run (KVM's clients only; not for `table`)")
    run.add_argument("--show", action="store_true", help="show what the levels print")
    run.add_argument("--words", default="", metavar="WORDS", help="more words for L1's Linux")
    run.add_argument("--no-trace", action="store_true", help="do not run what failed again to log its VM exits")
    demo = commands.add_parser("demo", help="GRUB -> xmhf -> Linux -> KVM -> Linux, live",
                               description="Boots GRUB2, the hypervisor, Debian's Linux, KVM and Debian's Linux, "
                               "and shows which level speaks. Exit status 0: all levels said what they must.")
    demo.add_argument("--xmhf", type=Path, default=rows.XMHF, metavar="PATH", help="the hypervisor")
    soak = commands.add_parser("soak", help="boot the innermost Linux many times in one L1")
    soak.add_argument("--runs", type=int, default=20, metavar="N", help="how often (default: 20)")
    soak.add_argument("--xmhf", type=Path, default=rows.XMHF, metavar="PATH", help="the hypervisor")
    table_ = commands.add_parser("table", help="write the table of docs/clients.md from the kept results")
    table_.add_argument("--check", action="store_true", help="only say whether the table is what the results give")
    return top


def chosen(options: argparse.Namespace) -> list[rows.Client]:
    """The clients to run."""
    if options.all:
        return rows.CLIENTS
    if not options.name:
        return [client for client in rows.CLIENTS if client.quick]
    found = []
    for name in options.name:
        client = rows.by_name(name)
        if client is None:
            raise UsageError(f"no such client: {name} (see: scripts/clients list)")
        found.append(client)
    return found


def dispatch(options: argparse.Namespace) -> int:
    """Runs the sub-command."""
    if options.command == "list":
        for client in rows.CLIENTS:
            print(f"{client.name:24} {client.what}")
        return 0
    if options.command == "demo":
        return runs.demo(options.xmhf)
    if options.command == "soak":
        return runs.soak(options.xmhf, options.runs)
    if options.command == "table":
        return table.write(options.check)
    sides = (options.only,) if options.only else ("native", "xmhf")
    return runs.run_all(chosen(options), sides,
                        runs.Options(options.xmhf, options.show, not options.no_trace, options.words,
                                     options.snapshot))


def main(arguments: list[str]) -> int:
    """Runs scripts/clients; returns the exit status."""
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGHUP, terminate)
    try:
        return dispatch(parser().parse_args(arguments))
    except UsageError as error:
        print(f"clients: {error}", file=sys.stderr)
        return 2
    except LabError as error:
        print(f"clients: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("clients: interrupted", file=sys.stderr)
        return 130
