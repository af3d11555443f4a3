#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The page of `vmcs html` in a headless Chromium, with real clicks, keys and wheel turns.

usage: scripts/test/html_in_chromium.py [--install] [PICTURES]

Prints TAP; screenshots go to PICTURES (default build/artifacts).  Without a browser it skips,
with the reason; --install first tries to install Debian's chromium-headless-shell (as root).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import vmcs_samples as samples  # noqa: E402
from chromium import Chromium, find  # noqa: E402

ROOT = samples.SCRIPTS.parent
MANY = 100_000
PACKAGE = "chromium-headless-shell"
# A frame of the page with 100,000 exits; generous, for busy machines.
FRAME_MS = 250
OPEN_SECONDS = 15


class Tap:
    """Test lines."""

    def __init__(self) -> None:
        self.count = self.bad = 0

    def ok(self, claim: bool, what: str) -> None:
        """One test."""
        self.count += 1
        self.bad += not claim
        print(f"{'ok' if claim else 'not ok'} {self.count} - {what}", flush=True)

    def same(self, expected, actual, what: str) -> None:
        """One test that two values are equal."""
        self.ok(expected == actual, what if expected == actual else f"{what}: expected {expected!r}, got {actual!r}")


def make_page(folder: Path, name: str, *texts: str) -> Path:
    """A page made by the tool itself, of one log or several."""
    logs = [folder / f"{name}{number or ''}.log" for number in range(len(texts))]
    for log, text_of_log in zip(logs, texts):
        log.write_text(text_of_log)
    page = folder / f"{name}.html"
    subprocess.run([str(samples.SCRIPTS / "vmcs"), "html", "-o", str(page), *map(str, logs)], check=True)
    return page


def rows(browser, selector: str) -> int:
    """How many elements a selector finds."""
    return browser.run(f"document.querySelectorAll({selector!r}).length")


def text(browser, selector: str) -> str:
    """An element's text."""
    return browser.run(f"document.querySelector({selector!r})?.textContent ?? ''")


def test_dumps(browser, tap: Tap, pictures: Path) -> None:
    """Side by side, only differences, search, unfolding, picking."""
    tap.same(3, rows(browser, "#fields thead .letter"), "VMCS01, 12 and 02 of the last moment are side by side")
    tap.ok("before12" in text(browser, "#dump-list"), "the list has the other dumps")
    before = rows(browser, "#fields tr.field")
    browser.click("#only-diff")
    tap.ok(0 < rows(browser, "#fields tr.field") < before, "only differences shows fewer fields")
    tap.same(rows(browser, "#fields tr.field"), rows(browser, "#fields tr.field.differs"), "and each of them differs")
    tap.same("interrupt-window exiting", text(browser, "tr[data-field] .part"), "of a control word the bits that differ are named")
    browser.picture(pictures / "dumps-differences.png")
    browser.click("#fields tr.parts td.name")
    tap.ok(rows(browser, "#fields tr.bit") > 5, "a click unfolds the bits")
    tap.ok(rows(browser, "#fields tr.bit.differs") >= 1, "the bits that differ are marked")
    browser.click("#fields tr.parts td.name")
    tap.same(0, rows(browser, "#fields tr.bit"), "another click folds them")
    browser.run("document.querySelector('#fields tr.parts').focus()")
    browser.key("Enter")
    tap.ok(rows(browser, "#fields tr.bit") > 5, "Enter unfolds the row that has the focus")
    browser.key("Enter")
    tap.same(0, rows(browser, "#fields tr.bit"), "which keeps it, so that Enter folds it again")
    browser.key("d")
    browser.key("/")
    browser.type("CR3-load")
    tap.same(1, rows(browser, "#fields tr.field"), "search finds a control bit by the SDM's name")
    tap.ok(rows(browser, "#fields mark") > 0, "and marks it")
    browser.run("document.getElementById('field-search').value = ''")
    browser.type("no such thing")
    tap.ok("No field fits" in text(browser, "#fields tbody"), "a search without result says so")
    browser.run("(() => { const e = document.getElementById('field-search'); e.value = ''; e.dispatchEvent(new Event('input')); })()")
    browser.key("Escape")
    browser.click("#dump-list li:first-child")
    tap.same(1, rows(browser, "#fields thead .letter"), "a click in the list shows that dump alone")
    browser.run("document.querySelector('#dump-list li:nth-child(2)').focus()")
    browser.key("Enter")
    tap.ok("before02" in text(browser, "#fields thead"), "Enter in the list shows the dump that has the focus")
    browser.click("#dump-list li:nth-child(3) .B")
    tap.same(2, rows(browser, "#fields thead .letter"), "B puts another beside it")


def test_timeline(browser, tap: Tap, pictures: Path) -> None:
    """Zoom, filter, pick, jump to the dump."""
    state = "[line.from, line.to]"
    first = browser.run(state)
    browser.wheel("#lanes", -400)
    second = browser.run(state)
    tap.ok(second[1] - second[0] < first[1] - first[0], "the wheel zooms in")
    browser.drag("#lanes", 200)
    third = browser.run(state)
    tap.ok(third[0] < second[0] and abs((third[1] - third[0]) - (second[1] - second[0])) < 1e-6 * second[1], "dragging moves, without zoom")
    browser.click("#zoom-all")
    tap.same(first, browser.run(state), "'all' shows everything again")
    browser.key("+")
    browser.key("+")
    tap.ok(browser.run("line.to - line.from") < (first[1] - first[0]) / 3, "keys zoom too")
    browser.key("0")
    before = browser.run("line.shown.length")
    browser.click("#levels button[data-value='201']")
    after = browser.run("line.shown.length")
    tap.ok(0 < after < before, "a level filters")
    tap.ok(browser.run("line.shown.every(i => kindName(i) === '201')"), "to that level only")
    browser.key("Escape")
    browser.click("#chart .row")
    reason = browser.run("filter.reason")
    tap.ok(reason is not None and browser.run("line.shown.every(i => exits.reason[i] === filter.reason)"), "a bar filters by its reason")
    browser.key("Escape")
    tap.same(before, browser.run("line.shown.length"), "Escape clears the filter")
    browser.click("#exit-search")
    browser.type("#pf")
    events = browser.run("[...line.shown].map(i => eventText(i))")
    tap.ok(events and set(events) == {"#PF"}, "a search finds the exits about an event")
    tap.ok("#PF" in text(browser, ".exit:not(.head)"), "which the list shows")
    browser.run("(() => { const e = $('exit-search'); e.value = ''; e.dispatchEvent(new Event('input')); })()")
    browser.type("injects")
    tap.same([], browser.run("[...line.shown].filter(i => !exits.inject[i])"), "nothing else is called so")
    browser.key("Escape")
    browser.key("Escape")
    tap.same(before, browser.run("line.shown.length"), "Escape leaves the search, and clears it")
    browser.run("pickExit([...exits.inject].findIndex(e => e))")
    tap.ok("interrupt 0xec" in text(browser, "#exit-detail"), "an entry tells what it injects")
    tap.same(browser.run("$('head-spent').getBoundingClientRect().right"),
             browser.run("document.querySelector('#exit-rows .right:last-child').getBoundingClientRect().right"), "the list's heading stands over its columns")
    browser.run("document.getElementById('timeline').scrollIntoView()")
    browser.click("#lanes", 0.5, 0.2)
    tap.ok(browser.run("line.picked") >= 0, "a click in the picture picks an exit")
    tap.ok("kind" in text(browser, "#exit-detail"), "and shows what it is")
    tap.ok(rows(browser, ".exit.picked") == 1, "and the list scrolls to it")
    browser.picture(pictures / "timeline.png")
    browser.run("(() => { pickExit(exits.count - 5); scrollToExit(exits.count - 5); })()")
    browser.click("#exit-detail .to-dump")
    tap.ok("failure" in text(browser, "#fields thead"), "its dump is one click away")
    now = browser.run("line.picked")
    browser.key("j")
    tap.same(now + 1, browser.run("line.picked"), "j goes to the next exit")


def spent(browser, script: str, times: int = 3) -> float:
    """Milliseconds of processor time of the page's thread, since the machine may be busy."""
    before = browser.thread_seconds()
    browser.run(f"(() => {{ for (let n = 0; n < {times}; n++) {script}; }})()")
    return 1000 * (browser.thread_seconds() - before) / times


def test_speed(browser, tap: Tap, page: Path, pictures: Path) -> None:
    """100,000 exits without stalling."""
    start = time.monotonic()
    browser.open(page)
    browser.frame()
    seconds = time.monotonic() - start
    tap.ok(seconds < OPEN_SECONDS, f"{MANY} exits open in {seconds:.1f} s")
    tap.same(MANY, browser.run("exits.count"), "all of them are there")
    tap.ok(rows(browser, ".exit") < 60, "the list draws only what is seen")
    for what, script in (("a redraw of the picture", "drawLanes()"), ("a filter", "applyFilter()"),
                         ("a pick", "pickExit(70000)"), ("totals", "drawTotals()"),
                         ("scrolling the list", "($('exit-list').scrollTop = 1e6, drawExitRows())")):
        took = spent(browser, script)
        tap.ok(took < FRAME_MS, f"{what} takes {took:.1f} ms")
    slow = spent(browser, "(() => { for (let i = 0; i < 40; i++) applyFilter(); })()", 1)
    tap.ok(slow > FRAME_MS, f"a page 40 times as slow would be noticed: {slow:.0f} ms")
    browser.run("document.getElementById('timeline').scrollIntoView()")
    browser.click("#by-time")
    browser.wheel("#lanes", -300, 0.6)
    browser.picture(pictures / "timeline-100000.png")
    browser.key("3")
    browser.picture(pictures / "totals.png")


def test_looks(browser, tap: Tap, page: Path, pictures: Path) -> None:
    """Light and dark, narrow windows, the keys' help."""
    for theme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        browser.open(page)
        browser.frame()
        tap.same(theme, browser.run("document.documentElement.dataset.theme"), f"the page starts {theme} where the system is")
        contrast = browser.run(CONTRAST)
        tap.ok(contrast >= 4.5, f"{theme}: quiet text has a contrast of {contrast:.1f}")
        browser.picture(pictures / f"dumps-{theme}.png")
    browser.key("t")
    tap.same("light", browser.run("document.documentElement.dataset.theme"), "t changes it")
    browser.key("?")
    tap.ok(browser.run("document.getElementById('help').open"), "? shows the keys")
    browser.picture(pictures / "help.png")
    browser.click("#help button")
    for width in (1440, 1160, 1024, 700):
        browser.size(width, 900)
        browser.frame()
        tap.ok(browser.run("document.documentElement.scrollWidth <= innerWidth + 1"), f"no sideways scrolling at {width} pixels")
        whole = browser.run("""(() => { const edge = $('exit-list').getBoundingClientRect().right;
            return [...document.querySelectorAll('.exit .right')].every(c => c.getBoundingClientRect().right <= edge && c.scrollWidth <= c.clientWidth); })()""")
        tap.ok(whole, f"no number of the list is cut off at {width} pixels")
    browser.picture(pictures / "narrow.png")
    browser.size(1440, 900)


CONTRAST = """(() => {
  const lum = name => { const d = document.createElement('canvas').getContext('2d'); d.fillStyle = ink(name); d.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...d.getImageData(0, 0, 1, 1).data].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const a = lum('--quiet'), b = lum('--card');
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); })()"""


def run_all(program: str, pictures: Path) -> int:
    """All tests in one browser."""
    tap = Tap()
    folder = Path(tempfile.mkdtemp(prefix="vmcs-html-"))
    browser = None
    try:
        page = make_page(folder, "run", samples.before_and_after() + samples.trace(3000))
        many = make_page(folder, "many", samples.trace(MANY))
        empty = make_page(folder, "only-dump", samples.XEN)
        two = make_page(folder, "two", samples.XEN, samples.before_and_after())
        browser = Chromium(program)
        browser.open(page)
        browser.frame()
        test_dumps(browser, tap, pictures)
        test_timeline(browser, tap, pictures)
        test_speed(browser, tap, many, pictures)
        test_looks(browser, tap, page, pictures)
        browser.open(empty)
        browser.frame()
        tap.ok("No exit trace" in text(browser, "#exit-list"), "a log without a trace says so")
        tap.same(0, rows(browser, "#dump-list .log"), "of one log the dumps need no name of it")
        browser.open(two)
        browser.frame()
        tap.same("two.log two1.log", browser.run("[...new Set([...document.querySelectorAll('#dump-list .log')].map(e => e.textContent))].join(' ')"),
                 "of two logs each dump tells its own")
        tap.same([], browser.errors, "the page made no error and asked the network for nothing")
    finally:
        if browser:
            browser.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"1..{tap.count}")
    print(f"# {tap.count - tap.bad} passed, {tap.bad} failed; pictures in {pictures}")
    return int(tap.bad > 0)


def install() -> None:
    """Debian's headless Chromium, where that is possible."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "-qq", "-y", "--no-install-recommends", "install", PACKAGE, "fonts-dejavu-core"],
                       stdout=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False)


def main(arguments: list) -> int:
    """Runs the tests; returns the exit status."""
    if "--install" in arguments:
        arguments = [word for word in arguments if word != "--install"]
        if not find():
            install()
    pictures = Path(arguments[0]) if arguments else ROOT / "build" / "artifacts"
    program = find()
    if not program:
        print(f"1..0 # SKIP no Chromium: install {PACKAGE}, or name one in CHROMIUM")
        print("# 0 passed, 0 failed")
        return 0
    pictures.mkdir(parents=True, exist_ok=True)
    return run_all(program, pictures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
