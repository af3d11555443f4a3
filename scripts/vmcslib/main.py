# SPDX-License-Identifier: BSD-2-Clause
"""The command line of scripts/vmcs."""

import argparse
import os
import shutil
import sys

from . import bisect, check, diff, exits, gdt, html, show, to_c
from .errors import VmcsError
from .inputs import Inputs
from .names import reason_of_name
from .paint import Paint
from .reader import require_exits
from .text import number

TOP = """\
Reads, decodes, compares and explains VMCS dumps: our own, XMHF64's, Linux KVM's, Xen's;
and exit traces: ours, XMHF64's, Linux' kvm_exit, Bochs'.  Noise between the lines is skipped;
timestamps, prefixes, colours, carriage returns, .gz, .xz and .bz2 are no trouble."""
LEARN = """\
which dump:
  FILE            the last dump of the file (`vmcs list FILE` shows all)
  FILE@failure02  the last one with this tag; FILE@failure for every VMCS of that moment
  FILE@3          the third; FILE@-1 the last; FILE@cpu=5,vmcs=02,before=1200 the last such
                  one that begins before line 1200
  @after12        the same of the file named before; - is standard input

examples:
  vmcs show vb.log                          the last dump, decoded
  vmcs diff vb.log@before12 @after12        what L1 changed between two moments
  vmcs diff vb.log@failure12 @failure02     what L0 made of what L1 asked for
  vmcs diff vb.log                          VMCS01, 12 and 02 of the last moment, side by side
  dmesg | vmcs check -                      which SDM rule a failed VM entry broke
  vmcs exits --by kind,reason serial.log    where the time goes
  vmcs html -o run.html serial.log          all of it to click through, one file
  vmcs bisect-vmxcap --works 'LAB-RESULT pass' -- ./run-l1 {vmxcap}

exit status: 0 done (diff: no difference; check: no rule broken), 1 there is one, 2 trouble"""
DESCRIPTIONS = {
    "list": "One line for each dump: number, line, CPU, tag, format, and what happened.",
    "show": "Decodes a dump, grouped as the SDM groups it: control words, access rights, interruption\n"
            "information, exit reason and qualification, EPTP, control registers in the SDM's names.",
    "diff": "Compares two or three dumps of any formats: only what differs, bit by bit.  A field that one\n"
            "log does not have is unknown, not zero, and not compared.  With one FILE and nothing picked:\n"
            "VMCS01, VMCS12 and VMCS02 of its last moment side by side.\n"
            "Exit status 0 no difference, 1 differences, 2 trouble.",
    "check": "Runs the hypervisor's own VM-entry checks, compiled for this machine, on a dump and lists\n"
             "every rule it breaks with the SDM's section; entries of MSR lists too, where the log has them.\n"
             "A rule that depends on something the log does not tell is \"not checkable\", never \"ok\":\n"
             "-v lists those.\n"
             "Exit status 1 if a rule is broken.",
    "as-c": "Prints the dump as C: the settings of a test case that recreates it.",
    "html": "Writes one self-contained page: dumps side by side with search and filter, bit fields that\n"
            "unfold, the exit timeline, totals.  It needs no network.",
    "gdt": "Decodes segment descriptors: 0x00af9b000000ffff, or bytes in memory order; with --selector\n"
           "looks one up and compares its RPL with the DPL.",
    "exits": "Statistics of an exit trace in the columns of `perf kvm stat`: a table for each level (101 from L1,\n"
             "201 from L2 to L1, 202 from L2 handled by L0), then how the exits spread over the time.  Events\n"
             "(vectors of exceptions and interrupts, and what entries inject) are told apart by --by reason,vector.",
    "bisect-vmxcap": "Finds the capability bits that an L1 needs: hides bits with vmxcap.NAME=0 words on L0's\n"
                     "command line, in groups and one at a time, and reruns until the rest is minimal.",
}


def add_common(parser: argparse.ArgumentParser) -> None:
    """Options every verb has."""
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="show the lines that were not understood, on standard error")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto",
                        help="colours (default: on a terminal)")


def add_pick(parser: argparse.ArgumentParser) -> None:
    """Options that pick dumps."""
    group = parser.add_argument_group("which dump (instead of FILE@WHICH)")
    group.add_argument("-t", "--tag", help="with this tag, or of this moment")
    group.add_argument("-c", "--cpu", help="of this CPU: 5, 0x05, d0v1")
    group.add_argument("-n", "--number", help="the Nth of those (-1: the last)")
    group.add_argument("--vmcs", choices=("01", "12", "02"), help="of this VMCS")
    group.add_argument("--before", metavar="LINE", help="the last that begins before this line")


def add_files(parser, count: str = "+", what: str = "a log, FILE@WHICH, @WHICH, or - ") -> None:
    """The positional arguments."""
    parser.add_argument("files", nargs=count, metavar="FILE", help=what)


def verb(commands, name: str, brief: str):
    """One verb's parser."""
    parser = commands.add_parser(name, help=brief, description=DESCRIPTIONS[name],
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common(parser)
    parser.set_defaults(itself=parser)
    return parser


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(prog="vmcs", description=TOP, epilog=LEARN,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    add_files(verb(commands, "list", "the dumps of a log"))
    add_show(verb(commands, "show", "decode a dump"))
    add_diff(verb(commands, "diff", "compare two or three dumps"))
    check.add_arguments(add_verb_with_pick(commands, "check", "which SDM rule a dump breaks"))
    to_c.add_arguments(add_verb_with_pick(commands, "as-c", "a dump as a test case in C"))
    html.add_arguments(verb(commands, "html", "a page to click through"))
    add_gdt(verb(commands, "gdt", "decode segment descriptors"))
    add_exits(verb(commands, "exits", "statistics of an exit trace"))
    bisect.add_arguments(verb(commands, "bisect-vmxcap", "which capability bits an L1 needs"))
    return top


def add_verb_with_pick(commands, name: str, brief: str):
    """A verb that works on picked dumps."""
    found = verb(commands, name, brief)
    add_files(found)
    add_pick(found)
    return found


def add_show(one) -> None:
    """show"""
    add_files(one)
    add_pick(one)
    one.add_argument("-a", "--all", action="store_true", help="also what is zero, unavailable or seldom used")
    one.add_argument("--every", action="store_true", help="every dump that fits, not only the last")
    one.add_argument("--log", action="store_true", help="print it in the form of our own logs")


def add_diff(one) -> None:
    """diff"""
    add_files(one)
    add_pick(one)
    classes = "; ".join(f"{name}: {text}" for name, (text, _) in diff.IGNORE.items())
    one.add_argument("-i", "--ignore", action="append", default=[], metavar="CLASS[,CLASS]",
                     help=f"leave out: {classes}; or /REGEX/ on the field's name")
    one.add_argument("-q", "--quiet", action="store_true", help="only the exit status")


def add_gdt(one) -> None:
    """gdt"""
    one.add_argument("descriptors", nargs="+", metavar="DESCRIPTOR", help="a number, bytes, or - for standard input")
    one.add_argument("-s", "--selector", type=number, help="only the entry this selector means")


def add_exits(one) -> None:
    """exits"""
    add_files(one, what="a log, or -")
    one.add_argument("--by", default="", metavar="KEY[,KEY]",
                     help=f"one table, grouped by {', '.join(exits.KEYS)} (default: a table of reasons for each level)")
    one.add_argument("--kind", action="append", choices=("101", "102", "201", "202", "exit"),
                     help="only this kind (101 102 concern L1, 201 202 L2)")
    one.add_argument("--reason", action="append", help="only this exit reason")
    one.add_argument("-c", "--cpu", type=number, help="only this CPU: 5, 0x05")
    one.add_argument("--sort", choices=("time", "samples"), default="samples", help="order (default: samples)")
    one.add_argument("--top", type=number, default=0, metavar="N", help="only the first N groups, or the last N exits")
    one.add_argument("--timeline", type=number, metavar="N",
                     help=f"a timeline of N rows, 0 for none (default: {exits.TIMELINE_ROWS} when there is no --by)")
    one.add_argument("--trace", action="store_true", help="the exits themselves, in the form of our own logs")


def picked(options) -> str:
    """The options that pick dumps, as a selector."""
    words = [f"{key}={getattr(options, key)}" for key in ("tag", "cpu", "vmcs", "before")
             if getattr(options, key, None) is not None]
    if getattr(options, "number", None) is not None:
        words.append(f"n={options.number}")
    return ",".join(words)


def run_list(options) -> int:
    """vmcs list"""
    inputs = Inputs(options.verbose)
    for word in options.files:
        dumps = inputs.dumps(word)
        if len(options.files) > 1:
            print(f"== {dumps[0].source}")
        print(show.listing(dumps))
    return 0


def run_show(options) -> int:
    """vmcs show"""
    inputs, paint = Inputs(options.verbose), Paint(options.color)
    width = shutil.get_terminal_size((100, 24)).columns
    texts = []
    for word in options.files:
        dumps = inputs.dumps(word, picked(options)) if options.every else [inputs.one(word, picked(options))]
        texts += [show.as_log(dump) if options.log else show.show(dump, options.all, paint, width)
                  for dump in dumps]
    print("\n\n".join(texts))
    return 0


def run_diff(options) -> int:
    """vmcs diff"""
    inputs = Inputs(options.verbose)
    dumps = [inputs.one(word, picked(options)) for word in options.files] if len(options.files) > 1 \
        else moment(inputs, options.files[0], picked(options))
    if not 2 <= len(dumps) <= 3:
        raise VmcsError(f"diff compares two or three dumps, not {len(dumps)}")
    classes = [name for words in options.ignore for name in words.split(",") if name]
    text, differ = diff.diff(dumps, classes, Paint(options.color))
    if not options.quiet:
        print(text)
    return int(differ)


def moment(inputs: Inputs, word: str, extra: str) -> list:
    """VMCS01, 12 and 02 of the last moment that one word means."""
    found = inputs.dumps(word, extra)
    last = found[-1]
    group = {dump.vmcs: dump for dump in found
             if dump.vmcs and dump.moment == last.moment and dump.cpu == last.cpu}
    dumps = [group[name] for name in ("01", "12", "02") if name in group]
    if len(dumps) < 2:
        raise VmcsError(f"{word}: its last moment has one VMCS only: name two dumps, "
                        "as in `vmcs diff FILE@before12 @after12`")
    return dumps


def standard_input() -> str:
    """All of it."""
    if sys.stdin is None:
        raise VmcsError("standard input is closed")
    return sys.stdin.read()


def run_gdt(options) -> int:
    """vmcs gdt"""
    words = gdt.words_of(standard_input()) if options.descriptors == ["-"] \
        else gdt.words_of_arguments(options.descriptors)
    texts = [gdt.table(words, options.selector)]
    if options.selector is not None:
        texts.append(gdt.check_selector(options.selector, words))
    print("\n".join(filter(None, texts)))
    return 0


def run_exits(options) -> int:
    """vmcs exits"""
    options.by = [key for key in options.by.split(",") if key]
    unknown = [key for key in options.by if key not in exits.KEYS]
    if unknown:
        raise VmcsError(f"--by {','.join(unknown)}: known: {', '.join(exits.KEYS)}")
    wanted = [(name, reason_of_name(name)) for name in options.reason or ()]
    for name, reason in wanted:
        if reason is None:
            raise VmcsError(f"--reason {name}: no such exit reason")
    options.reason = {reason for _, reason in wanted}
    inputs = Inputs(options.verbose)
    for path in options.files:
        log = inputs.log(path)
        require_exits(log)
        if len(options.files) > 1:
            print(f"== {log.source}")
        print(exits.trace(log, options) if options.trace else exits.report(log, options))
    return 0


RUN = {"list": run_list, "show": run_show, "diff": run_diff, "check": check.run, "as-c": to_c.run,
       "html": html.run, "gdt": run_gdt, "exits": run_exits, "bisect-vmxcap": bisect.run}


def parsed(arguments):
    """The command line; mistakes end the program with a usage line of the verb."""
    top = parser()
    if not arguments:
        top.print_help(sys.stderr)
        raise SystemExit(2)
    # argparse would take "-@TAG", a dump of standard input, for an option.
    arguments = [f"/dev/stdin{word[1:]}" if word.startswith("-@") else word for word in arguments]
    options, unknown = top.parse_known_args(arguments)
    if unknown:
        options.itself.error(f"unrecognized arguments: {' '.join(unknown)}")
    options.picked = picked(options)
    return options


def complain(text: str) -> None:
    """A line on standard error, if anybody is there to read it."""
    try:
        print(f"vmcs: {text}", file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def discard(stream) -> None:
    """Sends what is left in a stream nowhere, so that no later flush fails."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        pass


def mend_streams() -> None:
    """Streams that are closed, or of an encoding that lacks a character, are no reason to fail."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def main(arguments) -> int:
    """Runs the tool; returns the exit status."""
    mend_streams()
    try:
        options = parsed(arguments)
        status = RUN[options.verb](options)
        sys.stdout.flush()
        return status
    except VmcsError as error:
        complain(str(error))
        return 2
    except BrokenPipeError:
        discard(sys.stdout)
        return 141
    except OSError as error:
        complain(f"{error.filename or 'cannot write'}: {error.strerror or error}")
        discard(sys.stdout)
        return 2
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
