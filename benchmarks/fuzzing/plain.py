"""Damage to bytes, lines, tables and JSON: each is a function of a generator, the content, and other contents.

A mutator gives the changed content, or None where it has nothing to do with such content.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Mutator = Callable[[Random, bytes, Sequence[bytes]], bytes | None]

#: Values as JSON writes them that a log has no place for, or that lie at an edge of what it has.
ODD_JSON = (
    "null", "true", "false", "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "0", "-0.0", "-1", "1.5",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1" + "0" * 400,
    "9" * 5000, '""', '" "', '"NaN"', '"\\ud800"', '"\\udc00x"', '"\\u0000"', '"a\\nb\'\\"c;--"', '"2026-13-45"',
    '"' + "x" * 70_000 + '"', "[]", "{}", "[[[]]]", "[null]", '{"":1}', '{"a":{"a":{"a":1}}}', '{"\\ud800":[1]}',
    "[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500, "[" * 100_000, "[" * 20_000 + "]" * 20_000,
)  # fmt: skip
ODD_WORDS = (
    b"nan", b"-inf", b"1e400", b"1e-400", b"-1", b"0", b"-0.0", b"1.2.3", b"9" * 5000, b"18446744073709551616",
    b"9223372036854775807", b"9223372036854775808", b"1_000", b"0x10", b"", b"1,5", b"\xe0\xa5\xa7", b"--5", b"1e",
    b"\xff", b"\x00", b"=1+1", b"true", b"None", b"\xed\xa0\x80", b"a\nb", b'"', b'""', b"1e308", b"0.1e+1e+1",
)  # fmt: skip
#: So often something is repeated; what is large takes its time, and is rare.
_MANY = (20,) * 20 + (2000,) * 10 + (300_000,)
_LENGTHS = (2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**16 - 1, 2**24, 2**28, 0, 1)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_NAMES = ("", "a.b", "\ud800", "a/b", "step", "_step", "loss", "x" * 300, "a\nb")
_MARKER = "@@ODD@@"


def bits(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Some bits are turned, or bytes set."""
    del others
    if not content:
        return None
    changed = bytearray(content)
    for _ in range(drawn.choice((1, 1, 2, 8, 50))):
        at = drawn.randrange(len(changed))
        changed[at] = drawn.choice((changed[at] ^ 1 << drawn.randrange(8), 0, 0xFF, 0x7F, 0x80, 10, 34, 44, 123))
    return bytes(changed)


def spans(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """A span is taken out, doubled, swapped with another, blanked, or comes from another log."""
    if not content:
        return None
    most = drawn.choice((4, 64, len(content)))
    at = drawn.randrange(len(content))
    to = min(len(content), at + 1 + drawn.randrange(most))
    kind = drawn.randrange(6)
    if kind == 0:
        return content[:at] + content[to:]
    if kind == 1:
        return content[:to] + content[at:to] * drawn.choice((1, 1, 20)) + content[to:]
    if kind == 2:
        second = drawn.randrange(to, len(content) + 1)
        end = min(len(content), second + to - at)
        return content[:at] + content[second:end] + content[to:second] + content[at:to] + content[end:]
    if kind == 3:
        return content[:at] + drawn.choice((b"\0", b" ", b"\xff")) * (to - at) + content[to:]
    other = drawn.choice(others) if others else content
    begin = drawn.randrange(len(other) + 1)
    taken = other[begin : begin + drawn.choice((to - at, 64, len(other)))]
    return content[:at] + taken + (content[to:] if kind == 4 else b"")


def lengths(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Four or eight bytes, or a varint, become a length that cannot be."""
    del others
    if len(content) < 8:
        return None
    near_end = drawn.random() < 0.3
    at = drawn.randrange(max(0, len(content) - 300) if near_end else 0, len(content))
    if drawn.random() < 0.4:
        at -= at % 4
    value = drawn.choice(_LENGTHS)
    kind = drawn.choice(("<I", "<Q", ">I", ">Q", "<H", "v"))
    new = b"\xff" * drawn.choice((4, 8, 9)) + b"\x01" if kind == "v" else b""
    if not new:
        size = struct.calcsize(kind)
        new = struct.pack(kind, value % 2 ** (8 * size))
    return content[:at] + new + content[at + len(new) :]


def lines(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Lines change places, are doubled, dropped, joined, made too long, or come from another log."""
    held = content.split(b"\n")
    at, to = drawn.randrange(len(held)), drawn.randrange(len(held))
    kind = drawn.randrange(10)
    if kind == 0:
        low, high = min(at, to), max(at, to) + 1
        part = held[low:high]
        drawn.shuffle(part)
        held[low:high] = part
    elif kind == 1:
        held.insert(to, held[at])
    elif kind == 2:
        del held[at]
    elif kind == 3:
        held[at] += drawn.choice((b"", held[to])) + drawn.choice((b"x", b" ", b",", b'"', b"\0")) * drawn.choice(_MANY)
    elif kind == 4:
        held[at] = held[at].replace(b" ", drawn.choice((b"\0", b"\xc2\xa0", b"\t", b"", b"\r", b"\x1b[0m")))
    elif kind == 5:
        held.insert(at, drawn.choice(drawn.choice(others).split(b"\n")) if others else b"")
    elif kind == 6:
        held[at : at + 1] = [held[at]] * min(drawn.choice(_MANY), 2**21 // (1 + len(held[at])))
    elif kind == 7:
        return b"\r\n".join(held)
    elif kind == 8:
        text = content.decode("utf-8", errors="replace")
        return text.encode(drawn.choice(("utf-16", "utf-8-sig", "utf-32", "utf-16-be")))
    else:
        held[at : at + 2] = [b"".join(held[at : at + 2])]
    return b"\n".join(held)


def numbers(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Numbers of a text become others, or words."""
    del others
    found = list(_NUMBER.finditer(content[:200_000]))
    if not found:
        return None
    for match in sorted(drawn.sample(found, min(len(found), drawn.choice((1, 1, 3)))), key=lambda m: -m.start()):
        content = content[: match.start()] + drawn.choice(ODD_WORDS) + content[match.end() :]
    return content


def cells(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Cells of a table change, are doubled, dropped, or come from elsewhere; so do the names of its columns."""
    del others
    rows = content.split(b"\n")
    mark = drawn.choice((b",", b"\t")) if b"\t" in rows[0] else b","
    at = 0 if drawn.random() < 0.4 else drawn.randrange(len(rows))
    row = rows[at].split(mark)
    one, two = drawn.randrange(len(row)), drawn.randrange(len(row))
    kind = drawn.randrange(7)
    if kind == 0:
        row[one] = drawn.choice(ODD_WORDS)
    elif kind == 1:
        row[one] = row[two]
    elif kind == 2:
        del row[one]
    elif kind == 3:
        row += drawn.choice(([b""], [b"x"] * 3, [row[two]], [b"c%d" % i for i in range(drawn.choice((5, 3000)))]))
    elif kind == 4:
        row[one] = b'"' + row[one]
    elif kind == 5:
        row[one], row[two] = row[two], row[one]
    else:
        row[one] = drawn.choice((row[one] + b" (x)", row[one].upper(), b'"a""b\nc"', b" " + row[one], b"\xef\xbb\xbf"))
    rows[at] = mark.join(row)
    return b"\n".join(rows)


def values(drawn: Random, content: bytes, others: Sequence[bytes]) -> bytes | None:
    """Values of JSON, of a document or of a line of it, become others; keys are dropped, renamed or doubled."""
    del others
    try:
        return _document(drawn, content)
    except (ValueError, RecursionError):
        pass
    held = content.split(b"\n")
    for _ in range(drawn.choice((1, 1, 4))):
        at = drawn.randrange(len(held))
        try:
            held[at] = _document(drawn, held[at])
        except (ValueError, RecursionError):
            continue
    new = b"\n".join(held)
    return None if new == content else new


def _document(drawn: Random, content: bytes) -> bytes:
    whole = [json.loads(content)]
    places: list[tuple[Any, Any]] = [(whole, 0)]
    for holder, key in places:
        if len(places) > 3000:
            break
        inside = holder[key]
        if isinstance(inside, dict):
            places += [(inside, name) for name in inside]
        elif isinstance(inside, list):
            places += [(inside, i) for i in range(len(inside))]
    doubled: list[str] = []
    for _ in range(drawn.choice((1, 1, 1, 3, 10))):
        holder, key = drawn.choice(places)
        kind = drawn.randrange(8)
        if key not in (holder if isinstance(holder, dict) else range(len(holder))):
            continue
        if kind == 0 and len(holder) > 1:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[drawn.choice(_NAMES)] = holder.pop(key)
        elif kind == 2 and isinstance(holder, dict):
            doubled.append(str(key))
        elif kind == 3 and isinstance(holder, list) and holder is not whole:
            holder.insert(drawn.randrange(len(holder) + 1), holder[key])
        elif kind == 4:
            holder[key] = drawn.choice(places[: 1 + len(places) // 2])[0]
            if _circular(whole):
                holder[key] = None
        else:
            holder[key] = _MARKER
    text = json.dumps(whole[0] if whole else None)
    while f'"{_MARKER}"' in text:
        text = text.replace(f'"{_MARKER}"', drawn.choice(ODD_JSON), 1)
    for key in doubled:
        named = f"{json.dumps(key)}: "
        text = text.replace(named, f"{named}{drawn.choice(ODD_JSON)}, {named}", 1)
    return text.encode()


def _circular(whole: Any) -> bool:
    try:
        return len(json.dumps(whole)) > 500_000
    except (ValueError, RecursionError):
        return True


ANY: tuple[Mutator, ...] = (bits, spans, lengths)
TEXT: tuple[Mutator, ...] = (bits, spans, lines, numbers)
