# SPDX-License-Identifier: BSD-2-Clause
"""The command line of scripts/lab."""

import argparse
import signal
import sys
from pathlib import Path

from . import boot as booting
from .errors import LabError, UsageError


def add_what(parser: argparse.ArgumentParser) -> None:
    """Options that say what to boot."""
    group = parser.add_argument_group("what to boot")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--xmhf", type=Path, metavar="PATH", help="the hypervisor, a Multiboot ELF file")
    which.add_argument("--native", action="store_true", help="no hypervisor: L1's disk alone, as drive 0x80")
    group.add_argument("--protocol", choices=("multiboot", "multiboot2", "direct"), default="multiboot2",
                       help="how GRUB loads the hypervisor; direct: without GRUB (default: %(default)s)")
    group.add_argument("--cmdline", default="", metavar="STR", help="the hypervisor's command line")
    group.add_argument("--l1", default="linux", metavar="KIND",
                       help="linux, multiboot:PATH[,CMDLINE], multiboot2:PATH[,CMDLINE], direct:PATH[,CMDLINE], raw:PATH or none "
                       "(default: %(default)s)")
    group.add_argument("--l1-cmdline", default="", metavar="STR", help="more words for L1's command line")
    group.add_argument("--l1-add", action="append", default=[], metavar="[NAME=]FILE",
                       help="one more file for the initramfs of --l1 linux (default name: bin/FILE)")
    group.add_argument("--l1-kvm", action="store_true",
                       help="L1's Linux loads KVM and runs its own guests (L2) on every CPU")


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Options that say on which machine."""
    group = parser.add_argument_group("the machine")
    group.add_argument("--emulator", choices=booting.EMULATORS, default="bochs",
                       help="qemu has no VMX; kvm needs a machine with nested VMX (default: %(default)s)")
    group.add_argument("--cpus", type=int, default=1, metavar="N", help="number of CPUs (default: 1)")
    group.add_argument("--mem", type=int, default=512, metavar="MiB", help="memory (default: 512)")
    group.add_argument("--model", default=booting.DEFAULT_MODEL, metavar="NAME",
                       help="Bochs' CPU model (default: %(default)s)")
    group.add_argument("--debugger", choices=("auto", "yes", "no"), default="auto",
                       help="run Bochs with its debugger; auto: with more than one CPU")
    group.add_argument("--bad-msrs", choices=("ignore", "fault"), default="ignore",
                       help="what Bochs does about unknown MSRs (default: %(default)s)")
    group.add_argument("--vmx-log", action="store_true", help="every VM entry and exit in log.txt (large)")
    group.add_argument("--snapshot", action="store_true",
                       help="do not boot L1's Linux: start where an earlier run kept the emulator, or keep it now")
    group.add_argument("--bochs-option", action="append", default=[], metavar="LINE",
                       help="one more line for Bochs' configuration file")


def add_run(parser: argparse.ArgumentParser) -> None:
    """Options of the run and its verdict."""
    group = parser.add_argument_group("the run")
    group.add_argument("--timeout", type=float, default=120.0, metavar="S",
                       help="wall-clock limit in seconds (default: 120)")
    group.add_argument("--out", type=Path, metavar="DIR", help="where the artefacts go (default: build/lab/NAME)")
    group.add_argument("--expect", action="append", default=[], metavar="REGEX",
                       help="must match on the serial port, besides LAB-RESULT pass")
    group.add_argument("--quiet", action="store_true", help="only the summary line")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(prog="lab", description=__doc__ and "Boots hypervisor images in an emulator.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("boot", help="boot and judge",
                              description="Boots in an emulator. Exit status 0: LAB-RESULT pass and every --expect "
                              "matched; 1: not so; 2: bad usage.")
    add_what(one)
    add_machine(one)
    add_run(one)
    two = commands.add_parser("image", help="build the disk images and print their paths",
                              description="Builds the disk images of a boot and prints their paths, one per line, "
                              "in the order of their BIOS drive numbers.")
    add_what(two)
    add_machine(two)
    return top


def config_of(options: argparse.Namespace) -> booting.BootConfig:
    """The boot that the options describe."""
    config = booting.BootConfig(
        xmhf=options.xmhf, native=options.native, protocol=options.protocol, cmdline=options.cmdline,
        l1=options.l1, l1_cmdline=options.l1_cmdline, l1_add=options.l1_add, l1_kvm=options.l1_kvm, cpus=options.cpus,
        memory=options.mem, model=options.model, emulator=options.emulator, debugger=options.debugger,
        bochs_options=options.bochs_option, vmx_log=options.vmx_log, snapshot=options.snapshot,
        ignore_bad_msrs=options.bad_msrs == "ignore")
    if options.command == "boot":
        config.timeout = options.timeout
        config.out = options.out
        config.expect = options.expect
        config.echo = not options.quiet
    return config


def run(options: argparse.Namespace) -> int:
    """Runs the sub-command."""
    config = config_of(options)
    booting.validate(config)
    if options.command == "image":
        for disk in booting.build_disks(config):
            print(disk)
        return 0
    result = booting.boot(config)
    print(result.summary(), file=sys.stderr)
    return 0 if result.passed else 1


def terminate(number: int, _frame: object) -> None:
    """SIGTERM and SIGHUP end the run like an exception, so that the child is stopped."""
    sys.exit(128 + number)


def main(arguments: list[str]) -> int:
    """Runs the lab; returns the exit status."""
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGHUP, terminate)
    try:
        return run(parser().parse_args(arguments))
    except UsageError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
