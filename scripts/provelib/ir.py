# SPDX-License-Identifier: BSD-2-Clause
"""LLVM's textual IR, as far as clang makes it of this project's pure C: parsed into tuples.

Types:   ("i", bits)  ("ptr",)  ("array", count, type)  ("struct", [types])  ("void",)
Values:  ("int", n)  ("reg", name)  ("global", name)  ("null",)  ("undef",)  ("zero",)
         ("gep", type, base, [indices])  ("aggregate", [(type, value)])  ("bytes", b"...")
"""
import re

TOKEN = re.compile(r'c"(?:[^"\\]|\\..)*"|[%@]"[^"]*"|[%@!#][\w.$-]+|"[^"]*"|-?\d+|[\w.$]+|\.\.\.|[()\[\]{},=*:<>|!]')
# Words that say something to an optimizer only.
NOISE = {
    "noundef", "zeroext", "signext", "nonnull", "nocapture", "readonly", "readnone", "writeonly", "noalias", "nuw", "nsw",
    "exact", "inbounds", "volatile", "tail", "musttail", "notail", "fastcc", "dso_local", "local_unnamed_addr",
    "unnamed_addr", "internal", "private", "constant", "nneg", "disjoint", "samesign", "immarg", "returned", "nofree", "inrange",
    "hidden", "writable", "dead_on_unwind", "nusw", "freeze_noise", "atomic", "monotonic", "seq_cst", "external", "nest",
}
NOISE_WITH_ARGUMENT = {"dereferenceable", "dereferenceable_or_null", "align", "range", "captures", "sret", "byval", "initializes", "memory"}


class IrError(Exception):
    """The IR has something that is not known here."""


class Reader:
    """Tokens of one line or definition."""

    def __init__(self, text, module):
        self.tokens = TOKEN.findall(text)
        self.at = 0
        self.module = module

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self):
        token = self.peek()
        self.at += 1
        return token

    def take(self, token):
        """Claim: the next token is @token; it is then taken."""
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def expect(self, token):
        if not self.take(token):
            raise IrError(f"expected {token} at {' '.join(self.tokens[self.at - 3:self.at + 6])}")

    def skip_noise(self):
        while True:
            if self.peek() in NOISE:
                self.at += 1
            elif self.peek() in NOISE_WITH_ARGUMENT:
                word = self.next()
                if self.peek() == "(":
                    self.skip_parentheses()
                elif word == "align":
                    self.next()
            else:
                return

    def skip_parentheses(self):
        depth = 0
        while True:
            token = self.next()
            depth += (token == "(") - (token == ")")
            if not depth:
                return

    def type(self):
        """A type.  Older versions of clang say what a pointer points to: that is passed over."""
        if self.peek()[0] == "%" and self.tokens[self.at + 1:self.at + 2] == ["*"]:
            self.at += 1
            type_ = ("ptr",)
        else:
            type_ = self.plain_type()
        while self.peek() in ("*", "("):
            if self.peek() == "(":
                self.skip_parentheses()
            else:
                self.next()
            type_ = ("ptr",)
        return type_

    def plain_type(self):
        token = self.next()
        if token == "ptr":
            return ("ptr",)
        if token == "void":
            return ("void",)
        if re.fullmatch(r"i\d+", token):
            return ("i", int(token[1:]))
        if token == "[":
            count = int(self.next())
            self.expect("x")
            element = self.type()
            self.expect("]")
            return ("array", count, element)
        if token == "{":
            fields = []
            while not self.take("}"):
                fields.append(self.type())
                self.take(",")
            return ("struct", fields)
        if token[0] == "%":
            return self.module.named_type(token)
        raise IrError(f"type {token}")

    def value(self, type_):
        self.skip_noise()
        token = self.next()
        if token in ("true", "false"):
            return ("int", int(token == "true"))
        if re.fullmatch(r"-?\d+", token):
            return ("int", int(token))
        if token == "null":
            return ("null",)
        if token in ("undef", "poison"):
            return ("undef",)
        if token == "zeroinitializer":
            return ("zero",)
        if token[0] == "%":
            return ("reg", token)
        if token[0] == "@":
            return ("global", token)
        if token[:2] == 'c"':
            return ("bytes", re.sub(r"\\(..)", lambda m: chr(int(m[1], 16)), token[2:-1]).encode("latin-1"))
        if token in ("[", "{"):
            close = "]" if token == "[" else "}"
            items = []
            while not self.take(close):
                items.append(self.typed_value())
                self.take(",")
            return ("aggregate", items)
        if token == "bitcast":
            self.expect("(")
            inner = self.typed_value()[1]
            self.expect("to")
            self.type()
            self.expect(")")
            return inner
        if token == "getelementptr":
            self.skip_noise()
            self.expect("(")
            gep = self.gep()
            self.expect(")")
            return gep
        raise IrError(f"value {token} of {type_}")

    def typed_value(self):
        type_ = self.type()
        return type_, self.value(type_)

    def gep(self):
        source = self.type()
        self.expect(",")
        base = self.typed_value()[1]
        indices = []
        while self.take(","):
            if self.peek().startswith("!"):
                break
            self.skip_noise()
            indices.append(self.typed_value())
        return ("gep", source, base, indices)


def rename_own(text, number):
    """@text with what only its file sees named apart from other files."""
    own = re.findall(r"^(@[\w.$]+) = (?:internal|private)", text, re.M)
    own += re.findall(r"^define internal .*?(@[\w.$]+)\(", text, re.M)
    return re.sub("|".join(rf"{re.escape(name)}(?![\w.$])" for name in own), rf"\g<0>.{number}", text) if own else text


class Module:
    """Types, globals and functions of files of IR, linked."""

    def __init__(self, texts):
        self.globals = {}  # name: (type, value or None)
        self.functions = {}  # name: (parameters, {label: [instructions]}, first label)
        for number, text in enumerate(texts):
            self.type_texts, self.types = {}, {}
            self.read_file(rename_own(text, number))

    def read_file(self, text):
        lines = [line.split(" ; ")[0] if not line.startswith("@") else line for line in text.splitlines()]
        for line in lines:
            m = re.match(r'(%[\w.$-]+|%"[^"]*") = type (.*)', line)
            if m:
                self.type_texts[m[1]] = m[2]
        at = 0
        while at < len(lines):
            line = lines[at]
            at += 1
            if line.startswith("@"):
                self.read_global(line)
            elif line.startswith("define"):
                end = lines.index("}", at)
                self.read_function(line, lines[at:end])
                at = end + 1

    def named_type(self, name):
        if name not in self.types:
            self.types[name] = Reader(self.type_texts[name], self).type()
        return self.types[name]

    def read_global(self, line):
        reader = Reader(line, self)
        name = reader.next()
        reader.expect("=")
        is_external = "external" in reader.tokens[:6]
        while reader.peek() in NOISE or reader.peek() == "global":
            reader.next()
        type_ = reader.type()
        if not (is_external and name in self.globals):
            self.globals[name] = (type_, None if is_external else reader.value(type_))

    def read_function(self, head, lines):
        reader = Reader(head, self)
        while reader.peek()[:1] != "@":
            reader.next()
        name = reader.next()
        reader.expect("(")
        parameters = []
        while not reader.take(")"):
            reader.type()
            reader.skip_noise()
            parameters.append(reader.next())
            reader.take(",")
        label, blocks, joined = f"%{len(parameters)}", {}, []
        for line in lines:  # a switch stands on several lines
            if joined and joined[-1].lstrip().startswith("switch") and not joined[-1].endswith("]"):
                joined[-1] += line
            else:
                joined.append(line.split("  ;")[0].rstrip())
        first = label
        blocks[label] = []
        for line in joined:
            m = re.match(r"([\w.$-]+):", line)
            if m:
                label = "%" + m[1]
                blocks[label] = []
            elif line.strip():
                blocks[label].append(self.instruction(line))
        self.functions[name] = (parameters, blocks, first)

    def instruction(self, line):
        reader = Reader(re.sub(r", ![\w.]+ ![\w]+", "", line), self)
        result = None
        if reader.peek()[0] == "%":
            result = reader.next()
            reader.expect("=")
        reader.skip_noise()
        op = reader.next()
        reader.skip_noise()
        try:
            return (result, op, *getattr(self, "read_" + op, self.read_binary)(reader))
        except (IrError, KeyError, ValueError) as error:
            raise IrError(f"{line.strip()}: {error}") from error

    def read_binary(self, reader):
        type_ = reader.type()
        a = reader.value(type_)
        reader.expect(",")
        return type_, a, reader.value(type_)

    def read_icmp(self, reader):
        return reader.next(), *self.read_binary(reader)

    def read_cast(self, reader):
        type_, value = reader.typed_value()
        reader.expect("to")
        return type_, value, reader.type()

    read_zext = read_sext = read_trunc = read_bitcast = read_ptrtoint = read_inttoptr = read_cast

    def read_freeze(self, reader):
        return reader.typed_value()

    def read_select(self, reader):
        condition = reader.typed_value()[1]
        reader.expect(",")
        type_, a = reader.typed_value()
        reader.expect(",")
        return type_, condition, a, reader.typed_value()[1]

    def read_alloca(self, reader):
        return (reader.type(),)

    def read_load(self, reader):
        type_ = reader.type()
        reader.expect(",")
        return type_, reader.typed_value()[1]

    def read_store(self, reader):
        type_, value = reader.typed_value()
        reader.expect(",")
        return type_, value, reader.typed_value()[1]

    def read_getelementptr(self, reader):
        return (reader.gep(),)

    def read_phi(self, reader):
        type_ = reader.type()
        sources = {}
        while reader.take("["):
            value = reader.value(type_)
            reader.expect(",")
            sources[reader.next()] = value
            reader.expect("]")
            reader.take(",")
        return type_, sources

    def read_br(self, reader):
        if reader.take("label"):
            return None, reader.next(), None
        condition = reader.typed_value()[1]
        labels = []
        while reader.take(","):
            reader.expect("label")
            labels.append(reader.next())
        return condition, *labels

    def read_switch(self, reader):
        type_, value = reader.typed_value()
        reader.expect(",")
        reader.expect("label")
        default = reader.next()
        reader.expect("[")
        cases = []
        while not reader.take("]"):
            _, case = reader.typed_value()
            reader.expect(",")
            reader.expect("label")
            cases.append((case[1], reader.next()))
        return type_, value, default, cases

    def read_ret(self, reader):
        type_ = reader.type()
        return type_, None if type_ == ("void",) else reader.value(type_)

    def read_unreachable(self, _reader):
        return ()

    def read_extractvalue(self, reader):
        type_, value = reader.typed_value()
        reader.expect(",")
        return type_, value, int(reader.next())

    def read_insertvalue(self, reader):
        type_, value = reader.typed_value()
        reader.expect(",")
        _, inserted = reader.typed_value()
        reader.expect(",")
        return type_, value, inserted, int(reader.next())

    def read_call(self, reader):
        reader.skip_noise()
        type_ = reader.plain_type() if reader.peek() == "void" else reader.type()
        if reader.peek() == "(":
            reader.skip_parentheses()
        callee = reader.next()
        reader.expect("(")
        arguments = []
        while not reader.take(")"):
            if reader.take("metadata"):
                reader.next()
                continue
            argument_type = reader.type()
            arguments.append((argument_type, reader.value(argument_type)))
            reader.take(",")
        return type_, callee, arguments


def size_of(type_):
    """Bytes of @type_, padding included."""
    if type_[0] == "i":
        return max(1, type_[1] // 8)
    if type_[0] == "ptr":
        return 8
    if type_[0] == "array":
        return type_[1] * size_of(type_[2])
    if type_[0] == "struct":
        size = offset_of(type_, len(type_[1]))
        align = max((align_of(t) for t in type_[1]), default=1)
        return (size + align - 1) // align * align
    raise IrError(f"size of {type_}")


def align_of(type_):
    if type_[0] == "array":
        return align_of(type_[2])
    if type_[0] == "struct":
        return max((align_of(t) for t in type_[1]), default=1)
    return min(size_of(type_), 8)


def offset_of(struct, index):
    """Offset of field @index; of the end, unpadded, for the index after the last."""
    offset = 0
    for n, field in enumerate(struct[1]):
        align = align_of(field)
        offset = (offset + align - 1) // align * align
        if n == index:
            return offset
        offset += size_of(field)
    return offset
