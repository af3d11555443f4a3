# SPDX-License-Identifier: BSD-2-Clause
"""Lines of text out of whatever a log comes as: plain, gzip, xz, UTF-16, any line ends, no line ends."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import sys
import zlib

from .errors import VmcsError

CHUNK = 1 << 20
# A longer line is no line of a log; it is cut, so that a file of one line costs no memory.
LONGEST = 4096
ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[@-Z\\-_])")
COMPRESSED = ((b"\x1f\x8b", gzip.open), (b"\xfd7zXZ\x00", lzma.open), (b"BZh", bz2.open))


def unwrap(stream):
    """A stream of bytes that is not compressed any more, and its first bytes."""
    stream = io.BufferedReader(stream, CHUNK) if isinstance(stream, io.RawIOBase) else stream
    start = stream.peek(8)[:8]
    for magic, opener in COMPRESSED:
        if start.startswith(magic):
            stream = io.BufferedReader(opener(stream), CHUNK)
            start = stream.peek(8)[:8]
    return stream, start


def encoding_of(start: bytes) -> str:
    """By the byte-order mark; without one, bytes stand for themselves where they are not UTF-8."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    return "utf-8"


def decoded(stream, encoding: str):
    """Chunks of text."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while True:
        data = stream.read(CHUNK)
        yield decoder.decode(data, final=not data)
        if not data:
            return


def clean(line: str) -> str:
    """A line without ANSI codes, NULs and carriage returns."""
    if "\x1b" in line:
        line = ANSI.sub("", line)
    return line.replace("\0", "").replace("\r", "")


def lines_of(stream):
    """The lines of a binary stream, without line ends, numbered by the caller from 1."""
    stream, start = unwrap(stream)
    rest = ""
    end = None
    for text in decoded(stream, encoding_of(start)):
        # Some terminals save carriage returns alone.
        end = end or ("\r" if "\r" in text and "\n" not in text else "\n")
        odd = "\x1b" in text or "\0" in text or "\r" in text or "\x1b" in rest
        parts = (rest + text).split(end)
        rest = parts.pop()
        if len(rest) > LONGEST:
            rest = rest[:LONGEST]
        for line in parts:
            yield clean(line[:LONGEST]) if odd else line[:LONGEST]
    if rest:
        yield clean(rest)


def open_lines(path: str):
    """The lines of a file, or of standard input for `-`."""
    try:
        if path == "-":
            if sys.stdin is None:
                raise VmcsError("standard input is closed")
            yield from lines_of(sys.stdin.buffer)
        else:
            with open(path, "rb") as stream:
                yield from lines_of(stream)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VmcsError(f"cannot read {path or repr(path)}: {reason}") from error


def count_text(number: int, noun: str) -> str:
    """1 line, 2 lines, 1,234 lines."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def number(text: str) -> int:
    """A number from 0 on: 16, 016, 0x10.  (argparse shows this function's name.)"""
    value = int(text, 16 if text[:2] in ("0x", "0X") else 10)
    if value < 0:
        raise ValueError(text)
    return value
