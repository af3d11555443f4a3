# SPDX-License-Identifier: BSD-2-Clause
"""Runs a function of an ir.Module on terms, on every way through its branches."""
from provelib.ir import IrError, offset_of, size_of
from provelib.smt import Term

STEPS_MAX = 400_000  # on one way: a loop without an end
WAYS_MAX = 20_000
SMALL = 512  # bytes of an object of which a load at an unknown offset is one term


class ProofError(Exception):
    """The code does what no proof may rely on: leaves an object, reads what was never written."""


class Abandon(Exception):
    """This way through the code need not be followed."""


class Memory:
    """One object.  Bytes are cells: offset -> (value, byte of it, its bytes); a value is a term or pointer."""

    def __init__(self, name, size, unknown=False, page=False):
        self.name, self.size, self.cells = name, size, {}
        self.unknown = unknown  # what was not written holds any value
        self.page = page        # read-only, of unknown bytes, found at unknown offsets


class Pointer:
    def __init__(self, memory, offset):
        self.memory, self.offset = memory, offset


class Machine:
    """One proof: @main of @module, with the primitives of nested/test/prove.h."""

    def __init__(self, module, solver):
        self.module, self.solver = module, solver
        self.decisions = []  # [condition, value, other side still to do]
        self.ways = self.claims = 0
        self.refuted = []
        self.cover = {}  # line of a claim: is it reached

    def prove(self, main):
        """Follows every way; returns the refuted claims."""
        pushed = 0
        while True:
            self.next_decision, self.steps = 0, 0
            self.statics, self.inputs = {}, {}
            self.ways += 1
            if self.ways > WAYS_MAX:
                raise ProofError(f"more than {WAYS_MAX} ways")
            try:
                self.call(main, [])
            except Abandon:
                pass
            pushed = len(self.decisions)
            while self.decisions and not self.decisions[-1][2]:
                self.decisions.pop()
            self.solver.pop(pushed - len(self.decisions) + bool(self.decisions))
            if not self.decisions:
                return self.refuted
            last = self.decisions[-1]
            last[1], last[2] = not last[1], False
            self.solver.push(last[0], last[1])

    # --- ways ---

    def decide(self, condition):
        """Which side of @condition this way takes."""
        if condition.value is not None:
            return bool(condition.value)
        if self.next_decision == len(self.decisions):
            yes = self.solver.possible(condition, True)
            no = self.solver.possible(condition, False) if yes else True
            if not yes and not self.solver.possible(condition, False):
                raise Abandon
            self.decisions.append([condition, yes, yes and no])
            self.solver.push(condition, yes)
        value = self.decisions[self.next_decision][1]
        self.next_decision += 1
        return value

    def concrete(self, term, below):
        """The value of @term on this way: one of those below @below."""
        while term.value is None:
            model = self.solver.model_of(Term(1, 1), 1, {"value": term}) if self.next_decision == len(self.decisions) else None
            if model is None and self.next_decision < len(self.decisions):
                guess = self.decisions[self.next_decision][3]
            elif model is None:
                raise Abandon
            else:
                guess = model["value"]
            if guess >= below:
                raise ProofError(f"an offset of {guess} in an object of {below} bytes")
            before = self.next_decision
            condition = self.solver.compare("eq", term, Term(term.width, guess))
            chosen = self.decide(condition)
            self.decisions[before][3:] = [guess]
            if chosen:
                return guess
        return term.value

    # --- memory ---

    def load_any(self, pointer, type_, size):
        """A load at an unknown offset, a multiple of @size, of a small object; None where it is not that."""
        memory, offset = pointer.memory, pointer.offset
        last = memory.size - size
        if memory.size > SMALL:
            return None
        aligned = self.solver.compare("eq", self.solver.binary("bvurem", offset, Term(64, size)), Term(64, 0))
        inside = self.solver.compare("ule", offset, Term(64, last))
        if self.solver.possible(self.solver.binary("bvand", aligned, inside), False):
            return None
        value = None
        for at in range(0, last + 1, size):
            item = self.load(Pointer(memory, Term(64, at)), type_)
            here = self.solver.compare("eq", offset, Term(64, at))
            value = item if value is None else self.solver.choose(here, item, value)
        return value

    def byte_offset(self, pointer, size):
        """The constant offset of @pointer, inside its object; a term for a page."""
        memory = pointer.memory
        if memory is None:
            raise ProofError("an access by a null pointer")
        offset = pointer.offset
        inside = self.solver.compare("ule", offset, Term(64, memory.size - size))
        if inside.value != 1 and (inside.value == 0 or self.solver.possible(inside, False)):
            raise ProofError(f"an access outside {memory.name} ({memory.size} bytes)")
        return offset if memory.page and offset.value is None else self.concrete(offset, memory.size)

    def load(self, pointer, type_):
        size = size_of(type_)
        memory = pointer.memory
        if memory and pointer.offset.value is None and not memory.page and type_[0] == "i":
            value = self.load_any(pointer, type_, size)
            if value is not None:
                return value
        offset = self.byte_offset(pointer, size)
        if memory.page:
            base = offset if isinstance(offset, Term) else Term(64, offset)
            at = [self.solver.binary("bvadd", base, Term(64, n)) for n in range(size)]
            return self.solver.concat([self.solver.page_byte(memory.name, a) for a in at])
        if memory.unknown and not any(offset + n in memory.cells for n in range(size)):
            self.store_cells(memory, offset, self.input(f"{memory.name}+{offset}", 8 * size), size)
        cells = [self.cell(memory, offset + n) for n in range(size)]
        value, first, bytes_ = cells[0]
        if first == 0 and bytes_ == size and all(c[0] is value and c[1] == n for n, c in enumerate(cells)):
            return self.as_bit(value, type_)
        if any(isinstance(c[0], Pointer) for c in cells):
            raise ProofError(f"part of a pointer is read from {memory.name}")
        parts = [self.solver.extract(v, 8 * n, 8) for v, n, _ in cells]
        return self.as_bit(self.solver.concat(parts), type_)

    def as_bit(self, value, type_):
        if type_ == ("i", 1) and isinstance(value, Term):
            return self.solver.extract(value, 0, 1)
        if type_ == ("ptr",) and isinstance(value, Term) and value.value == 0:
            return Pointer(None, Term(64, 0))
        return value

    def cell(self, memory, offset):
        if offset not in memory.cells:
            if not memory.unknown:
                raise ProofError(f"byte {offset} of {memory.name} is read before it is written")
            self.store_cells(memory, offset, self.input(f"{memory.name}+{offset}", 8), 1)
        return memory.cells[offset]

    @staticmethod
    def store_cells(memory, offset, value, size):
        for n in range(size):
            memory.cells[offset + n] = (value, n, size)

    def store(self, pointer, type_, value):
        if type_[0] in ("struct", "array"):
            raise IrError(f"a store of {type_}")
        size = size_of(type_)
        if type_[0] == "i" and type_[1] < 8:
            value = self.solver.extend(value, 8)
        offset = self.byte_offset(pointer, size)
        if pointer.memory.page:
            raise ProofError(f"a write to {pointer.memory.name}")
        self.store_cells(pointer.memory, offset, value, size)

    def global_memory(self, name):
        if name not in self.statics:
            type_, value = self.module.globals[name]
            memory = self.statics[name] = Memory(name, size_of(type_), unknown=value is None)
            if value is not None:
                self.initialize(memory, 0, type_, value)
        return self.statics[name]

    def initialize(self, memory, offset, type_, value):
        size = size_of(type_)
        if value[0] in ("zero", "undef"):
            for n in range(size):
                self.store_cells(memory, offset + n, Term(8, 0), 1)
        elif value[0] == "bytes":
            for n, byte in enumerate(value[1]):
                self.store_cells(memory, offset + n, Term(8, byte), 1)
        elif value[0] == "aggregate":
            self.initialize(memory, offset, type_, ("zero",))
            for n, (element, item) in enumerate(value[1]):
                at = n * size_of(element) if type_[0] == "array" else offset_of(type_, n)
                self.initialize(memory, offset + at, element, item)
        else:
            self.store_cells(memory, offset, self.evaluate(type_, value, {}), size)

    # --- values ---

    def input(self, name, width):
        """An unknown of the proof; the same on every way."""
        self.inputs[name] = self.solver.variable(name, width)
        return self.inputs[name]

    def evaluate(self, type_, value, registers):
        kind = value[0]
        if kind == "reg":
            return registers[value[1]]
        if kind == "int":
            return Term(type_[1], value[1])
        if kind == "null" or (kind == "zero" and type_ == ("ptr",)):
            return Pointer(None, Term(64, 0))
        if kind == "global":
            return Pointer(self.global_memory(value[1]), Term(64, 0))
        if kind == "gep":
            return self.element(value, registers)
        if kind in ("undef", "zero") and type_[0] == "struct":
            return [None if kind == "undef" else self.evaluate(t, value, registers) for t in type_[1]]
        if kind in ("undef", "zero"):
            return Pointer(None, Term(64, 0)) if type_ == ("ptr",) else Term(type_[1], 0)
        raise IrError(f"value {value}")

    def element(self, gep, registers):
        _, type_, base, indices = gep
        pointer = self.evaluate(("ptr",), base, registers)
        offset = pointer.offset
        for n, (index_type, index) in enumerate(indices):
            number = self.solver.extend(self.evaluate(index_type, index, registers), 64, sign=True)
            if n and type_[0] == "struct":
                step = Term(64, offset_of(type_, number.value))
                type_ = type_[1][number.value]
            else:
                type_ = type_[2] if n else type_
                step = self.solver.binary("bvmul", number, Term(64, size_of(type_)))
            offset = self.solver.binary("bvadd", offset, step)
        return Pointer(pointer.memory, offset)

    # --- instructions ---

    def call(self, name, arguments):
        if name not in self.module.functions:
            return self.primitive(name, arguments)
        parameters, blocks, label = self.module.functions[name]
        registers, previous = dict(zip(parameters, arguments)), None
        while True:
            phis = [i for i in blocks[label] if i[1] == "phi"]
            values = [self.evaluate(i[2], i[3][previous], registers) for i in phis]
            registers.update((i[0], v) for i, v in zip(phis, values))
            for instruction in blocks[label][len(phis):]:
                self.steps += 1
                if self.steps > STEPS_MAX:
                    raise ProofError(f"no end of {name}")
                result, op, *operands = instruction
                if op == "ret":
                    return None if operands[1] is None else self.evaluate(*operands, registers)
                if op in ("br", "switch"):
                    previous, label = label, self.next_label(op, operands, registers)
                    break
                value = getattr(self, "do_" + op, None)
                registers[result] = value(operands, registers) if value else self.arithmetic(op, operands, registers)

    def next_label(self, op, operands, registers):
        if op == "br":
            condition, yes, no = operands
            if condition is None:
                return yes
            return yes if self.decide(self.evaluate(("i", 1), condition, registers)) else no
        type_, value, default, cases = operands
        value = self.evaluate(type_, value, registers)
        for case, label in cases:
            if self.decide(self.solver.compare("eq", value, Term(value.width, case))):
                return label
        return default

    def arithmetic(self, op, operands, registers):
        type_, a, b = operands
        names = {"shl": "bvshl", "lshr": "bvlshr", "ashr": "bvashr"}
        return self.solver.binary(names.get(op, "bv" + op), self.evaluate(type_, a, registers),
                                  self.evaluate(type_, b, registers))

    def do_icmp(self, operands, registers):
        predicate, type_, a, b = operands
        a, b = self.evaluate(type_, a, registers), self.evaluate(type_, b, registers)
        if type_ != ("ptr",):
            return self.solver.compare(predicate, a, b)
        if predicate not in ("eq", "ne"):
            raise IrError("pointers are compared")
        if a.memory is b.memory:
            return self.solver.compare(predicate, a.offset, b.offset)
        return Term(1, int(predicate == "ne"))

    def do_zext(self, operands, registers):
        type_, value, to = operands
        return self.solver.extend(self.evaluate(type_, value, registers), to[1])

    def do_sext(self, operands, registers):
        type_, value, to = operands
        return self.solver.extend(self.evaluate(type_, value, registers), to[1], sign=True)

    def do_trunc(self, operands, registers):
        type_, value, to = operands
        return self.solver.extract(self.evaluate(type_, value, registers), 0, to[1])

    def do_bitcast(self, operands, registers):
        type_, value, _ = operands
        return self.evaluate(type_, value, registers)

    def do_freeze(self, operands, registers):
        return self.evaluate(*operands, registers)

    def do_select(self, operands, registers):
        type_, condition, a, b = operands
        condition = self.evaluate(("i", 1), condition, registers)
        a, b = self.evaluate(type_, a, registers), self.evaluate(type_, b, registers)
        if type_[0] == "i":
            return self.solver.choose(condition, a, b)
        return a if self.decide(condition) else b

    def do_alloca(self, operands, _registers):
        return Pointer(Memory("a local variable", size_of(operands[0])), Term(64, 0))

    def do_load(self, operands, registers):
        type_, address = operands
        return self.load(self.evaluate(("ptr",), address, registers), type_)

    def do_store(self, operands, registers):
        type_, value, address = operands
        self.store(self.evaluate(("ptr",), address, registers), type_, self.evaluate(type_, value, registers))

    def do_getelementptr(self, operands, registers):
        return self.element(operands[0], registers)

    def do_extractvalue(self, operands, registers):
        type_, value, index = operands
        return self.evaluate(type_, value, registers)[index]

    def do_insertvalue(self, operands, registers):
        type_, value, inserted, index = operands
        whole = list(self.evaluate(type_, value, registers))
        whole[index] = self.evaluate(type_[1][index], inserted, registers)
        return whole

    def do_unreachable(self, _operands, _registers):
        raise ProofError("a place that cannot be reached is reached")

    def do_call(self, operands, registers):
        _, callee, arguments = operands
        return self.call(callee, [self.evaluate(t, v, registers) for t, v in arguments])

    # --- what is not in the module ---

    def text_at(self, pointer):
        text, at = "", pointer.offset.value
        while (byte := pointer.memory.cells[at][0].value) != 0:
            text += chr(byte)
            at += 1
        return text

    def primitive(self, name, arguments):
        if name.startswith(("@llvm.lifetime", "@llvm.experimental.noalias")) or name == "@llvm.assume":
            return None
        if name.startswith("@llvm.memset"):
            to, byte, count = arguments[:3]
            for n in range(count.value):
                self.store(Pointer(to.memory, self.solver.binary("bvadd", to.offset, Term(64, n))), ("i", 8), byte)
            return None
        if name.startswith(("@llvm.memcpy", "@llvm.memmove")):
            return self.copy(*arguments[:3])
        if name.startswith("@llvm.u") or name.startswith("@llvm.s"):
            return self.least_or_most(name[6:10], *arguments)
        if name.startswith("@any_u"):
            return self.input(self.text_at(arguments[0]), int(name[6:]))
        if name == "@each_u32":
            return self.each(self.input(self.text_at(arguments[0]), 32), arguments[1].value)
        if name == "@any_memory":
            pointer = arguments[0]
            pointer.memory.name, pointer.memory.unknown = self.text_at(arguments[2]), True
            for n in range(arguments[1].value):
                pointer.memory.cells.pop(pointer.offset.value + n, None)
            return None
        if name == "@any_page":
            return Pointer(Memory(self.text_at(arguments[0]), 4096, page=True), Term(64, 0))
        if name == "@given":
            return self.given(arguments[0])
        if name == "@must":
            return self.must(arguments[0], self.text_at(arguments[1]))
        raise IrError(f"a call of {name}")

    def each(self, term, count):
        """A way of its own for each value of @term below @count."""
        for value in range(count):
            if self.decide(self.solver.compare("eq", term, Term(term.width, value))):
                return Term(term.width, value)
        raise Abandon

    def copy(self, to, source, count):
        """memcpy of a constant size: cells move whole where they can."""
        start, end = self.byte_offset(source, count.value), self.byte_offset(to, count.value)
        cells = [self.cell(source.memory, start + n) for n in range(count.value)]
        for n, cell in enumerate(cells):
            to.memory.cells[end + n] = cell

    def least_or_most(self, kind, a, b):
        predicates = {"umin": "ult", "umax": "ugt", "smin": "slt", "smax": "sgt"}
        if kind not in predicates:
            raise IrError(f"@llvm.{kind}")
        return self.solver.choose(self.solver.compare(predicates[kind], a, b), a, b)

    def given(self, condition):
        if not self.decide(condition):
            raise Abandon

    def must(self, claim, text):
        self.cover[text] = self.cover.get(text, 0) + 1
        self.claims += 1
        if claim.value == 1:
            return
        model = self.solver.model_of(claim, 0, self.inputs)
        if model is not None:
            self.refuted.append((text, model))
            raise Abandon
