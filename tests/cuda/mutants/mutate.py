#!/usr/bin/env python3
"""Writes copies of the CUDA kernels in which mistakes can be switched on one at a time, and the list of the mistakes.

    mutate.py SOURCE_FOLDER OUTPUT_FOLDER

Each .cu file in cuda/kernels/ and each header in cuda/ but ptx.h, which nvcc alone compiles, is copied to the same
place below OUTPUT_FOLDER, line by line. In device code

    __syncthreads(); __syncwarp(...);    may be skipped              (barrier)
    __shfl_*_sync(mask, ...) and others  may lose a lane of the mask (mask)
    cp_async_wait<n>();                  may wait for a group less   (wait)
    array[index]                         may be one further or less  (index+1, index-1)

under the control of tests/cuda/mutants/mutant.h. OUTPUT_FOLDER/mutants.tsv has a line for each: number, kind, file, line,
name. A name survives edits elsewhere: "index+1 cuda/kernels/softmax.cu softmax_kernel row[i] 1" is the first `row[i]` in
softmax_kernel.
"""

import collections
import pathlib
import re
import sys

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<directive>^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+')
    |(?P<word>[A-Za-z_]\w*)|(?P<number>\d[\w.']*)|(?P<space>\s+)|(?P<mark>::|->|.)""",
    re.X | re.S | re.M)
BARRIERS = {"__syncthreads", "__syncwarp"}
COLLECTIVES = re.compile(r"__(shfl|ballot|any|all|reduce|match)\w*_sync$")
CLOSING = {"(": ")", "[": "]", "{": "}"}
NOT_A_TYPE = {"return", "case", "else", "throw", "new", "co_return"}


class Token:
    def __init__(self, kind, text, begin):
        self.kind, self.text, self.begin, self.end = kind, text, begin, begin + len(text)


class File:
    """A source as tokens, without what means nothing."""

    def __init__(self, source):
        self.source = source
        self.tokens = [Token(m.lastgroup, m.group(), m.start()) for m in TOKEN.finditer(source)
                       if m.lastgroup not in ("comment", "directive", "space")]

    def text(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def closing(self, i):
        """The token that closes the bracket i."""
        opening, depth = self.text(i), 0
        for j in range(i, len(self.tokens)):
            if self.text(j) == opening:
                depth += 1
            elif self.text(j) == CLOSING[opening]:
                depth -= 1
                if depth == 0:
                    return j
        raise ValueError(f"{opening} is never closed")

    def between(self, begin, end):
        """The source of tokens begin ... end - 1, on one line."""
        return re.sub(r"\s+", " ", self.source[self.tokens[begin].begin:self.tokens[end - 1].end])


def device_functions(file):
    """(name, first token, last token) of each body that runs on a device: of functions that say so, and of constexpr
    ones, which may. A constructor's initialisers belong to its body."""
    i = 0
    while i < len(file.tokens):
        is_device = file.text(i) in ("__device__", "__global__")
        is_constant = file.text(i) == "constexpr" and file.text(i - 1) != "if"
        i += 1
        if not is_device and not is_constant:
            continue
        parameters = None  # the parenthesis that opens them
        j = i
        while file.text(j) not in ("{", ";", ""):
            if file.text(j) == "(":
                end = file.closing(j)
                is_attribute = file.text(j - 1) == "__launch_bounds__"
                is_operator = file.text(j - 1) == "operator"
                if parameters is None and not is_attribute and not is_operator:
                    parameters = j
                j = end
            elif file.text(j) == "=" and file.text(j - 1) != "operator" and parameters is None:
                break  # a constant
            j += 1
        if file.text(j) != "{" or parameters is None:
            continue
        name = {")": "operator()", "]": "operator[]"}.get(file.text(parameters - 1), file.text(parameters - 1))
        end = file.closing(j)
        yield "::".join(classes_around(file, j) + [name]), file.closing(parameters) + 1, end
        i = end


def classes_around(file, i):
    """The names of the structs that token i is in, the outermost first."""
    names = []
    for j in range(i):
        if file.text(j) in ("struct", "class") and file.text(j - 1) != "enum":
            body = next(k for k in range(j, len(file.tokens)) if file.text(k) in ("{", ";", ">", ","))
            if file.text(body) == "{" and body < i <= file.closing(body):
                names.append(file.text(j + 1))
    return names


def is_subscript(file, i):
    """Whether the bracket i follows a value: neither a lambda's nor a declaration's."""
    before = file.text(i - 1)
    if before in ("]", ")"):
        return not (before == "]" and not is_subscript(file, opening(file, i - 1)))
    if file.tokens[i - 1].kind != "word" or before in NOT_A_TYPE | {"operator", "delete"}:
        return False
    two = file.tokens[i - 2]
    if two.text == ")" and file.text(opening(file, i - 2) - 1) == "decltype":
        return False
    declares = (two.kind == "word" and two.text not in NOT_A_TYPE) or two.text in (">", "*", "&") and is_type(file, i - 2)
    return not declares


def is_type(file, i):
    """Whether `T* name[`, `T& name[` or `T<...> name[` begins a statement."""
    while file.text(i) in ("*", "&"):
        i -= 1
    if file.text(i) == ">":
        depth = 0
        while depth > 0 or file.text(i) == ">":
            depth += {">": 1, "<": -1}.get(file.text(i), 0)
            i -= 1
    return file.tokens[i].kind == "word" and file.text(i - 1) in (";", "{", "}", "const")


def opening(file, i):
    """The token that opens the bracket that i closes."""
    depth = 0
    for j in range(i, -1, -1):
        if file.text(j) in "])":
            depth += 1
        elif file.text(j) in "[(":
            depth -= 1
            if depth == 0:
                return j
    raise ValueError("a bracket is never opened")


class Mutator:
    def __init__(self):
        self.list = []  # (kind, file, line, name)
        self.names = collections.Counter()

    def number(self, kind, path, function, text, line):
        name = f"{kind} {path} {function} {text}"
        self.names[name] += 1
        self.list.append((kind, path, line, f"{name} {self.names[name]}"))
        return len(self.list)

    def changes(self, file, path, function, begin, end):
        """(place in the source, what to insert there), for the tokens of a body."""
        i = begin
        while i < end:
            text = file.text(i)
            line = file.source.count("\n", 0, file.tokens[i].begin) + 1
            if text == "SHARED":
                i = file.closing(i + 1)
            elif text in BARRIERS and file.text(i + 1) == "(":
                last = file.closing(i + 1)
                number = self.number("barrier", path, function, text, line)
                yield file.tokens[i].begin, f"(::tsr::mutant::on({number}) ? void() : "
                yield file.tokens[last].end, ")"
            elif COLLECTIVES.match(text) and file.text(i + 1) == "(":
                comma = i + 2
                while file.text(comma) != ",":
                    comma = file.closing(comma) + 1 if file.text(comma) in CLOSING else comma + 1
                number = self.number("mask", path, function, text, line)
                yield file.tokens[i + 2].begin, f"::tsr::mutant::mask({number}, "
                yield file.tokens[comma - 1].end, ")"
            elif text == "cp_async_wait" and file.text(i + 1) == "<":
                call = next(j for j in range(i, end) if file.text(j) == "(")
                groups = file.between(i + 2, call - 1)
                number = self.number("wait", path, function, text, line)
                yield file.tokens[i].begin, f"(::tsr::mutant::on({number}) ? cp_async_wait<({groups}) + 1>() : "
                yield file.tokens[file.closing(call)].end, ")"
            elif text == "[" and is_subscript(file, i):
                last = file.closing(i)
                first = i - 1
                if file.text(first) in ("]", ")"):
                    first = opening(file, first)
                    if file.tokens[first - 1].kind == "word":
                        first -= 1
                array = file.between(first, last + 1)
                number = self.number("index+1", path, function, array, line)
                self.number("index-1", path, function, array, line)
                yield file.tokens[i].end, f"::tsr::mutant::index({number}, "
                yield file.tokens[last].begin, ")"
            i += 1

    def mutate(self, source, path):
        file = File(source)
        changes = []
        for function, begin, end in device_functions(file):
            changes += self.changes(file, path, function, begin, end)
        result, done = [], 0
        # the stable order keeps what closes at a place before what opens there
        for place, text in sorted(changes, key=lambda change: (change[0], change[1] != ")")):
            result += [source[done:place], text]
            done = place
        return "".join(result) + source[done:]


def main():
    root, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    mutator = Mutator()
    sources = [header for header in sorted(root.glob("cuda/*.h")) if header.name != "ptx.h"]
    sources += sorted(root.glob("cuda/kernels/*.cu"))
    for source in sources:
        path = source.relative_to(root)
        before = len(mutator.list)
        text = mutator.mutate(source.read_text(), str(path))
        target = output / path
        if len(mutator.list) == before and source.suffix == ".h":
            target.unlink(missing_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
    lines = ["\t".join((str(i + 1), *map(str, mutant))) for i, mutant in enumerate(mutator.list)]
    (output / "mutants.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
