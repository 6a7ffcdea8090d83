"""The equations of the docstrings as LaTeX, and as MathML by latex2mathml.

The docstrings write equations in plain text, which reads well in an editor and in a terminal: ``W[l]`` is W with the
superscript [l], ``y_k`` a subscript, ``a²`` and ``e^{−z}`` are powers, and ``√(…)`` is a root.
"""

from __future__ import annotations

import html
import re

from gpunet.installation import install_command

FUNCTIONS = ("log", "exp", "max", "min", "tanh")
NAMES = ("sign", "softmax", "ReLU")  # functions for which LaTeX has no name
SYMBOLS = {
    "ŷ": r"\hat{y}", "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "…": r"\dots", "·": r"\cdot ", "∘": r"\circ ",
    "×": r"\times ", "←": r"\leftarrow ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ",
    "∝": r"\propto ", "−": "-", "∂": r"\partial ", "∇": r"\nabla ", "‖": r"\|", "²": "^2",
    "ᵀ": r"^{\top}", "Σ": r"\sum ", "α": r"\alpha ", "β": r"\beta ", "δ": r"\delta ", "θ": r"\theta ",
    "λ": r"\lambda ", "μ": r"\mu ", "σ": r"\sigma ",
}  # fmt: skip
RELATIONS = frozenset("=←≤≥≠≈∝<>")
WORD = re.compile(r"[A-Za-z][A-Za-z0-9]+[,:;]?")


def latex(text: str) -> str:
    r"""A line of mathematics in the notation of the docstrings as LaTeX: ``ŷ_k`` becomes ``\hat{y}_{k}``."""
    text = _roots(text)
    text = re.sub(r"([A-Za-zδ])\[([\w−+]{1,3})\]\((\w)\)", r"\1^{[\2](\3)}", text)
    text = re.sub(r"([A-Za-zδ])\[([\w−+]{1,3})\]ᵀ", r"\1^{[\2]\\top}", text)
    text = re.sub(r"([A-Za-zδ])\[([\w−+]{1,3})\]", r"\1^{[\2]}", text)
    text = re.sub(r"\bL\(i\)", "L^{(i)}", text)
    text = re.sub(r"_(max|min)\b", r"_{\\\1}", text)
    text = re.sub(r"_(\w)\b", r"_{\1}", text)
    text = re.sub(r"\^(\w)", r"^{\1}", text)
    text = re.sub("⁻([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda found: "^{-" + found[1].translate(DIGITS) + "}", text)
    text = re.sub(r"(?<![\\A-Za-z{])[A-Za-z][A-Za-z0-9]+", _word, text)
    text = re.sub(r" \} +\\text\{ ", " ", text)
    return "".join(SYMBOLS.get(character, character) for character in text).strip()


def mathml(text: str) -> str:
    """A line of mathematics as HTML: pieces of MathML between which the line may break, and words.

    The line breaks before a relation or a sum's operator, after a comma and between words, never within a term. What
    belongs together is nested in ``<span class="term">``, to be shown as an inline block: the line breaks between two
    equations before it breaks in one, and between brackets only if there is no other way.

    Raises
    ------
    ImportError
        If latex2mathml is not installed.
    """
    equations = [_pieces(part) for part in re.split(r"(?<=[,;:])\s{2,}", text)]
    return " ".join(_nested(pieces, 0) for pieces in equations)


DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def _word(found: re.Match[str]) -> str:
    word = found[0]
    if word in FUNCTIONS:
        after = "" if found.string[found.end() :].startswith("(") else r"\, "
        before = r"\," if re.search(r"[\w)\]}] *$", found.string[: found.start()]) else ""
        return rf"{before}\{word}{after}"
    return rf"\mathrm{{{word}}}" if word in NAMES else rf"\text{{ {word} }}"


def _roots(text: str) -> str:
    r"""``√(…)`` as ``\sqrt{…}``, with the bracket that belongs to it."""
    while (start := text.find("√(")) >= 0:
        depth, end = 0, start + 1
        while True:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if depth == 0:
                break
            end += 1
        text = f"{text[:start]}\\sqrt{{{text[start + 2 : end]}}}{text[end + 1 :]}"
    return text


def _pieces(text: str) -> list[tuple[int, str]]:
    """An equation as pieces that are not broken, each with the depth of brackets at which it begins."""
    pieces: list[tuple[int, str]] = []
    depth, modulus = 0, False
    for token in text.split():
        before = pieces[-1][1] if pieces else ""
        operator = token in RELATIONS or token in "+−"
        if token in RELATIONS and before and " " not in before and not _is_word(before):
            operator = False  # the left side stays with its relation
        if not before or operator or before[-1] in ",;:" or _is_word(token) or _is_word(before):
            pieces.append((depth, token))
        else:
            pieces[-1] = (pieces[-1][0], f"{before} {token}")
        depth += sum(token.count(bracket) for bracket in "([{") - sum(
            token.count(bracket) for bracket in ")]}"
        )
        if token.count("|") % 2:  # of a modulus
            modulus = not modulus
            depth += 1 if modulus else -1
    return pieces


def _is_word(piece: str) -> bool:
    name = piece.rstrip(",:;")
    return (
        WORD.fullmatch(piece) is not None and name not in FUNCTIONS and (name not in NAMES or piece != name)
    )


def _nested(pieces: list[tuple[int, str]], depth: int) -> str:
    """Pieces as spans within spans: one for what begins at `depth`, with what is deeper inside."""
    if len(pieces) == 1:
        return _piece(pieces[0][1])
    groups: list[list[tuple[int, str]]] = []
    for piece in pieces:
        if groups and piece[0] > depth:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    if len(groups) == 1:
        return _nested(pieces, depth + 1)
    return f'<span class="term">{" ".join(_nested(group, depth + 1) for group in groups)}</span>'


def _piece(text: str) -> str:
    """A word as text, anything else as MathML."""
    if _is_word(text):
        return html.escape(text)
    try:
        from latex2mathml.converter import convert
    except ImportError as error:
        raise ImportError(
            "the page of the lecture needs latex2mathml, which is not installed; install it with: "
            f"{install_command('lecture')}"
        ) from error
    # An operator at the beginning would be set as a sign, without the space after it.
    sign = text[0] if text[:2] in ("+ ", "− ") else ""
    body = rf"{SYMBOLS.get(sign, sign)}\;{latex(text[2:])}" if sign else latex(text)
    # HTML needs no namespace.
    return str(convert(body)).replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
