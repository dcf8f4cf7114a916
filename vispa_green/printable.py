"""Text that somebody else wrote, made harmless for a terminal, a line, a mail and a spreadsheet. Pure.

Job names and comments may hold anything: escape sequences that rewrite the screen or its title, line ends
that make rows of their own, marks that turn the reading direction, halves of characters that cannot be encoded.
"""

from __future__ import annotations

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\0": r"\0"}
_FORMULA = frozenset("=+-@＝＋－＠")  # OWASP, CSV injection: the wide forms count for spreadsheets of East Asia


def printable(text: str) -> str:
    r"""Return ``text`` on one line, with every character that does not print written out, e.g. ``\n``, ``\x1b``.

    Written out are control characters (C0, C1, DEL), format characters (bidi marks, zero width), line
    separators, lone surrogates and what Unicode has not assigned. A second call changes nothing.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def csv_cell(text: str, delimiter: str = ",") -> str:
    """Return ``text`` as one cell of a table with that delimiter (RFC 4180), which no spreadsheet runs as a formula.

    A text that begins like a formula gets an apostrophe before it. Numbers of our own need not come here.
    """
    plain = printable(text)
    if plain.lstrip()[:1] in _FORMULA:
        plain = f"'{plain}"
    if '"' in plain or delimiter in plain or plain != plain.strip():
        return '"' + plain.replace('"', '""') + '"'
    return plain


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
