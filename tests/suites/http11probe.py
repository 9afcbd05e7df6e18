"""Http11Probe's payloads, out of its C# without .NET; what its few idioms do not cover is named as left out."""

import collections
import glob
import re

Case = collections.namedtuple("Case", "name pieces meets")

STRING = re.compile(r'(\$?)"((?:\\.|[^"\\])*)"')
# Made by loops, which are not worth a translation.
BY_HAND = {
    "MAL-BINARY-GARBAGE": bytes((number * 167 + 13) % 256 for number in range(256)),
    "MAL-MANY-HEADERS": b"GET / HTTP/1.1\r\nHost: HOST\r\n"
    + b"".join(b"X-H-%d: value\r\n" % number for number in range(10_000))
    + b"\r\n",
}


class Untranslated(Exception):
    """C# that is more than a text with a few names in it."""


def cases(directory):
    found, left = [], []
    for path in sorted(glob.glob(f"{directory}/*.cs")):
        with open(path) as file:
            text = file.read()
        for part in re.split(r"new (?:Sequence)?TestCase\b", text)[1:]:
            name = re.search(r'Id = "([^"]+)"', part)
            if not name:
                continue
            try:
                pieces = [BY_HAND[name[1]]] if name[1] in BY_HAND else payloads(part)
                found.append(Case(name[1], pieces, meets(part)))
            except Untranslated as why:
                left.append(f"{name[1]}: {why}")
    return found, left


def payloads(part):
    pieces = []
    for start in re.finditer(r"PayloadFactory\s*=\s*", part):
        code = balanced(part[start.end() :])
        pieces.append(evaluate(code))
    if not pieces:
        raise Untranslated("no payload")
    return pieces


def balanced(text):
    """Up to the comma or bracket that ends an expression."""
    depth, at = 0, 0
    while at < len(text):
        literal = STRING.match(text, at) or re.compile(r"'(?:\\.|[^'])'|//[^\n]*").match(text, at)
        if literal:
            at = literal.end()
            continue
        depth += (text[at] in "({[") - (text[at] in ")}]")
        if depth < 0 or (depth == 0 and text[at] == ","):
            return text[:at]
        at += 1
    return text


def evaluate(code):
    """The bytes that a payload's lambda makes."""
    lambda_ = re.match(r"\s*(?:ctx|_)\s*=>\s*(.*)", code, re.S)
    if not lambda_:
        raise Untranslated("it needs the answer before")
    body, names = lambda_[1].strip(), {}
    if not body.startswith("{"):
        return as_bytes(expression(body, names))
    copied = []
    for statement in statements(body.strip("{} \n")):
        if copy := re.match(r"(\w+)\.CopyTo\(", statement):
            copied.append(as_bytes(names[copy[1]]))
        elif "new byte[" in statement or statement == "return payload":
            continue
        elif assigned := re.match(r"(?:const )?(?:var|string|byte\[\])\s+(\w+)\s*=\s*(.*)", statement, re.S):
            names[assigned[1]] = expression(assigned[2], names)
        elif statement.startswith("return "):
            return as_bytes(expression(statement[7:], names))
        elif statement:
            raise Untranslated(statement.split("\n")[0])
    return b"".join(copied)


def statements(body):
    body = re.sub(r"^\s*//[^\n]*|(?<=[;\]])\s*//[^\n]*", "", body, flags=re.M)
    hidden = STRING.sub(lambda literal: re.sub(";", "\0", literal[0]), body)
    return [part.replace("\0", ";").strip() for part in hidden.split(";")]


def expression(code, names):
    """What an expression is: texts, names, `+`, and the calls that occur."""
    code = code.strip()
    joined = re.fullmatch(r'string\.Join\("(.*?)", Enumerable\.Range\(0, (\d+)\)\.Select\((\w) => (.*)\)\)', code, re.S)
    if joined:
        each = [str(expression(joined[4], {**names, joined[3]: number})) for number in range(int(joined[2]))]
        return joined[1].join(each)
    if call := re.fullmatch(r"(?:MakeRequest|Encoding\.(?:ASCII|Latin1)\.GetBytes)\((.*)\)", code, re.S):
        return as_bytes(expression(call[1], names))
    if call := re.fullmatch(r"Encoding\.ASCII\.GetByteCount\((.*)\)", code):
        return len(expression(call[1], names))
    if call := re.fullmatch(r'(\w+)\.ToString\("x"\)', code):
        return f"{names[call[1]]:x}"
    if call := re.fullmatch(r"\[([0x0-9A-Fa-f, ]*)\]", code):
        return bytes(int(number, 16) for number in call[1].split(",") if number.strip())
    if call := re.fullmatch(r"(\w+)\.Length \+ (\d+)", code):
        return len(names[call[1]]) + int(call[2])
    text, rest = "", code
    while rest:
        piece, rest = operand(rest, names)
        if not text and not rest:
            return piece
        text += str(piece)
    return text


def operand(code, names):
    """The first operand of a sum, and the rest of it."""
    if literal := STRING.match(code):
        value = unescape(literal[2])
        if literal[1]:
            value = re.sub(r"\{([^{}]+)\}", lambda name: str(named(name[1], names)), value)
    elif literal := re.match(r"new string\('(.)', ([\d_]+)\)", code):
        value = literal[1] * int(literal[2].replace("_", ""))
    elif literal := re.match(r"[\w.]+(?!\w*\()", code):
        value = named(literal[0], names)
    else:
        raise Untranslated(code[:60])
    rest = code[literal.end() :].strip()
    if rest and not rest.startswith("+"):
        raise Untranslated(rest[:60])
    return value, rest[1:].strip()


def named(name, names):
    known = {"ctx.HostHeader": "HOST", "ctx.Host": "HOST", "ctx.Port": "443", **names}
    if name not in known:
        raise Untranslated(name)
    return known[name]


def unescape(text):
    # C#'s \x takes up to four digits
    escape = re.compile(r"\\(x[0-9A-Fa-f]{1,4}|u[0-9A-Fa-f]{4}|.)", re.S)
    plain = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "a": "\a", "b": "\b", "v": "\v", "f": "\f"}

    def value(found):
        code = found[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else plain.get(code, code)

    return escape.sub(value, text)


def as_bytes(value):
    # like Encoding.ASCII, which writes a question mark for what it has not
    return value if isinstance(value, bytes) else value.encode("ascii", "replace")


def meets(part):
    """Whether an answer is one that the suite expects, by its own words for it."""
    expected = part.partition("Expected = new ExpectedBehavior")[2]
    said = re.search(r'Description = "([^"]*)"', expected)
    status = re.search(r"StatusCodeRange\.(\w+)\(?(\d{3})?", expected)
    closes = "AllowConnectionClose = true" in expected
    said = said[1] if said else f"{(status[2] or status[1]) if status else ''}{' or close' if closes else ''}"
    never = re.search(r"(?:not |!|non-)(\d)", said)
    codes = [] if never else re.findall(r"\b(\d)(\d\d|xx)\b", said)

    def check(back):
        found = re.findall(rb"(?:^|\r\n)HTTP/1\.[01] ([2-9]\d\d)", back)
        status = found[0].decode() if found else None
        if never:
            return status is None or status[0] != never[1]
        if status is None:
            return "close" in said or not codes
        return not codes or any(status[0] == hundred and rest in ("xx", status[1:]) for hundred, rest in codes)

    check.said = said
    return check
