# SPDX-License-Identifier: BSD-2-Clause
"""Bit-vector terms, folded where they are constant, and a z3 that is asked about them."""
import shutil
import subprocess


class Term:
    """@width bits: the constant @value, or else @name, defined to the solver."""
    __slots__ = ("width", "value", "name")

    def __init__(self, width, value=None, name=None):
        self.width = width
        self.value = None if value is None else value & ((1 << width) - 1)
        self.name = name

    def text(self):
        return f"(_ bv{self.value} {self.width})" if self.value is not None else self.name


def signed(term):
    return term.value - (1 << term.width) if term.value >> (term.width - 1) else term.value


FOLD = {
    "bvadd": lambda a, b, w: a + b, "bvsub": lambda a, b, w: a - b, "bvmul": lambda a, b, w: a * b,
    "bvand": lambda a, b, w: a & b, "bvor": lambda a, b, w: a | b, "bvxor": lambda a, b, w: a ^ b,
    "bvshl": lambda a, b, w: a << b if b < w else 0, "bvlshr": lambda a, b, w: a >> b if b < w else 0,
    "bvudiv": lambda a, b, w: a // b if b else (1 << w) - 1, "bvurem": lambda a, b, w: a % b if b else a,
}
COMPARE = {
    "eq": ("=", lambda a, b: a.value == b.value), "ult": ("bvult", lambda a, b: a.value < b.value),
    "ule": ("bvule", lambda a, b: a.value <= b.value), "slt": ("bvslt", lambda a, b: signed(a) < signed(b)),
    "sle": ("bvsle", lambda a, b: signed(a) <= signed(b)),
}
SWAPPED = {"ugt": "ult", "uge": "ule", "sgt": "slt", "sge": "sle"}


class Solver:
    """One z3 process, and all terms that it knows."""

    def __init__(self):
        self.names = {}
        self.queries = 0
        if not shutil.which("z3"):
            raise SystemExit("prove: no z3: install Debian's package z3")
        self.z3 = subprocess.Popen(["z3", "-in", "-smt2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.say("(set-option :global-declarations true)\n(set-logic QF_UFBV)")

    def say(self, text):
        self.z3.stdin.write(text + "\n")

    def ask(self, text):
        self.say(text)
        self.z3.stdin.flush()
        return self.z3.stdout.readline().strip()

    def close(self):
        self.z3.stdin.close()
        self.z3.wait()

    # --- terms ---

    def define(self, width, text):
        if text not in self.names:
            name = f"t{len(self.names)}"
            self.names[text] = Term(width, name=name)
            self.say(f"(define-fun {name} () (_ BitVec {width}) {text})")
        return self.names[text]

    def variable(self, name, width):
        key = ("variable", name, width)
        if key not in self.names:
            self.names[key] = Term(width, name=f"|{name}:{width}|")
            self.say(f"(declare-const |{name}:{width}| (_ BitVec {width}))")
        return self.names[key]

    def page_byte(self, page, offset):
        """The byte at the term @offset of the page called @page, whose contents are unknown."""
        if ("page", page) not in self.names:
            self.names[("page", page)] = page
            self.say(f"(declare-fun |{page}| ((_ BitVec 64)) (_ BitVec 8))")
        return self.define(8, f"(|{page}| {offset.text()})")

    def binary(self, op, a, b):
        width = a.width
        ones = (1 << width) - 1
        if a.value is not None and b.value is not None:
            if op == "bvashr":
                return Term(width, signed(a) >> min(b.value, width - 1))
            return Term(width, FOLD[op](a.value, b.value, width))
        if op in ("bvand", "bvor", "bvxor", "bvadd", "bvmul") and a.value is not None:
            a, b = b, a
        if b.value == 0:
            if op in ("bvand", "bvmul"):
                return b
            if op in ("bvor", "bvxor", "bvadd", "bvsub", "bvshl", "bvlshr", "bvashr"):
                return a
        if b.value == ones and op == "bvand":
            return a
        if b.value == 1 and op == "bvmul":
            return a
        return self.define(width, f"({op} {a.text()} {b.text()})")

    def compare(self, predicate, a, b):
        if predicate == "ne":
            return self.binary("bvxor", self.compare("eq", a, b), Term(1, 1))
        if predicate in SWAPPED:
            return self.compare(SWAPPED[predicate], b, a)
        op, fold = COMPARE[predicate]
        if a.value is not None and b.value is not None:
            return Term(1, int(fold(a, b)))
        if a.text() == b.text():
            return Term(1, int(predicate in ("eq", "ule", "sle")))
        return self.define(1, f"(ite ({op} {a.text()} {b.text()}) #b1 #b0)")

    def choose(self, condition, a, b):
        if condition.value is not None:
            return a if condition.value else b
        if a.text() == b.text():
            return a
        return self.define(a.width, f"(ite (= {condition.text()} #b1) {a.text()} {b.text()})")

    def extract(self, term, low, width):
        if width == term.width:
            return term
        if term.value is not None:
            return Term(width, term.value >> low)
        return self.define(width, f"((_ extract {low + width - 1} {low}) {term.text()})")

    def extend(self, term, width, sign=False):
        if width == term.width:
            return term
        if term.value is not None:
            return Term(width, signed(term) if sign else term.value)
        kind = "sign_extend" if sign else "zero_extend"
        return self.define(width, f"((_ {kind} {width - term.width}) {term.text()})")

    def concat(self, parts):
        """@parts from the least significant on."""
        width = sum(p.width for p in parts)
        if all(p.value is not None for p in parts):
            value = shift = 0
            for p in parts:
                value |= p.value << shift
                shift += p.width
            return Term(width, value)
        if len(parts) == 1:
            return parts[0]
        return self.define(width, "(concat " + " ".join(p.text() for p in reversed(parts)) + ")")

    # --- questions ---

    def push(self, condition, value):
        self.say(f"(push 1)\n(assert (= {condition.text()} #b{int(value)}))")

    def pop(self, count):
        if count:
            self.say(f"(pop {count})")

    def possible(self, condition, value):
        """Claim: the 1-bit term @condition can be @value under what was pushed."""
        self.queries += 1
        self.push(condition, value)
        answer = self.ask("(check-sat)")
        if answer not in ("sat", "unsat"):
            raise SystemExit(f"prove: z3 says {answer}")
        self.pop(1)
        return answer == "sat"

    def model_of(self, condition, value, terms):
        """Values of @terms, {name: term}, with which @condition is @value; None if it cannot be."""
        self.queries += 1
        self.push(condition, value)
        found = None
        if self.ask("(check-sat)") == "sat":
            found = {}
            for name, term in terms.items():
                answer = self.ask(f"(get-value ({term.text()}))").rstrip(")").split()[-1]
                found[name] = int(answer[2:], 16 if answer[1] == "x" else 2)
        self.pop(1)
        return found
