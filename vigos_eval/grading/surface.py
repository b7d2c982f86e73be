r"""An answer without its dress: dollars, boxes, ``\text``, spacing commands, look of the symbols.

Nothing here knows what an answer means; `syntax.py` reads mathematics, `number.py` numbers.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Only signs that stand for themselves in print. NFKC would also fold mathematical alphanumerics
# and other look-alikes into plain letters, and a look-alike is not the letter.
SIGNS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ",
    "÷": "/", "∕": "/", "⁄": "/", "∞": r"\infty ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",
    "≤": r"\le ", "⩽": r"\le ", "≦": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≧": r"\ge ", "≠": r"\ne ",
    "≈": r"\approx ", "±": r"\pm ", "∓": r"\mp ", "π": r"\pi ", "θ": r"\theta ", "α": r"\alpha ",
    "β": r"\beta ", "γ": r"\gamma ", "λ": r"\lambda ", "μ": r"\mu ", "µ": r"\mu ", "ω": r"\omega ",
    "φ": r"\phi ", "σ": r"\sigma ", "ρ": r"\rho ", "Δ": r"\Delta ", "Ω": r"\Omega ", "∀": r"\forall ",
    "∅": r"\emptyset ", "√": r"\sqrt", "°": r"^{\circ}", "º": r"^{\circ}", "∘": r"^{\circ}",
    "∶": ":", "’": "'", "‘": "'", "′": "'", "″": '"', "“": '"', "”": '"', "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "∠": r"\angle ", "⊥": r"\perp ", "∥": r"\parallel ", "、": ",", "。": ".",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u2002": " ", "\u2003": " ", "\u3000": " ",
    "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}",
    "¾": r"\frac{3}{4}", "⅕": r"\frac{1}{5}", "⅛": r"\frac{1}{8}", "⅙": r"\frac{1}{6}",
}  # fmt: skip
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ"
SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
FULLWIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
TRANSLATION = str.maketrans({**SIGNS, **{chr(k): v for k, v in FULLWIDTH.items()}})
RAISED = re.compile(f"[{SUPERSCRIPTS}]+")
LOWERED = re.compile(f"[{SUBSCRIPTS}]+")
RAISED_TO = str.maketrans(SUPERSCRIPTS, "0123456789+-n")
LOWERED_TO = str.maketrans(SUBSCRIPTS, "0123456789")
TAGGED = re.compile(r"<(sup|sub)>([^<>]{1,40})</\1>", re.IGNORECASE)

INVISIBLE_ENDS = " \t\r\n\f\v\u200b\u200c\u200d\ufeff\u2060"
DROPPED = re.compile(
    r"\\left(?![a-zA-Z])|\\right(?![a-zA-Z])|\\(?:displaystyle|limits|bigl?|bigr?|Bigl?|Bigr?|hspace\{[^{}]*\})(?![a-zA-Z])"
    r"|\\[!]|\*\*|__|\\+$"
)
# Python's power: the same space, or none, on both sides; Markdown's bold has its space outside.
STARS = re.compile(r"(?<=[\w)}\]])(\s*)\*\*\1(?=[\w({\\+-])")
SPACING = re.compile(
    r"(?<!\\)\\(?:qquad|quad|(?:enspace|thinspace)(?![a-zA-Z])|[,;:>~ ])|(?<!\\)~|[ \t\r\n\f\v]+"
)
FONT = re.compile(
    r"\\(?:text|textbf|textit|textrm|texttt|textsf|textsc|textnormal|mathrm|mathbf|mathit|mathsf|mathtt|mathcal"
    r"|mbox|hbox|operatorname|operatorname\*|boldsymbol|bm|rm|bf|emph|underline)\s*\{([^{}]*)\}"
)
# A command escaped once too often, as JSON inside JSON leaves it.
DOUBLED = re.compile(r"\\\\(?=[a-zA-Z]{2})")
# A tab that was the start of \\text, \\times, ...: the data set's file lost a backslash.
EATEN = re.compile(r"\t(?=(?:ext|imes|heta|an|frac)[a-z{]*)")
# Thousands as TeX sets them: 14{,}916 and 11,\\! 111.
GROUPED = re.compile(r"(?<=[0-9])\s*(?:\{\s*,\s*\}|,\\!)\s*(?=[0-9]{3})")
WORDY = re.compile(
    r"(?:[^\W_]|[\s,.;:?!'\"()&%]|(?<=[A-Za-z])[-/](?=[A-Za-z])|(?<=[0-9])[-/](?=[0-9]))*"
)
CIRCLE = re.compile(r"\^?\s*\\textcirc(?![a-zA-Z])")
QUOTES = "\"'`"
STRAY_STOP = re.compile(r"\.(?=\s*[)\]])")
MATH_MARKS = re.compile(r"\\[()\[\]]|(?<!\\)\$+")
BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")


def flat(text: str) -> str:
    r"""Printed signs as their LaTeX commands and every run of white space as one space.

    >>> flat("x²  ≥ 3")
    'x^{2} \\ge 3'
    """
    if text.isascii():
        return " ".join(text.split()) if "<s" not in text else _tagged(text)
    text = text.translate(TRANSLATION)
    text = RAISED.sub(lambda m: "^{" + m[0].translate(RAISED_TO) + "}", text)
    text = LOWERED.sub(lambda m: "_{" + m[0].translate(LOWERED_TO) + "}", text)
    return _tagged(text)


def _tagged(text: str) -> str:
    """HTML's <sup> and <sub> as LaTeX, white space collapsed."""
    if "<" in text:
        text = TAGGED.sub(lambda m: ("^{" if m[1].lower() == "sup" else "_{") + m[2] + "}", text)
    return " ".join(text.split())


@lru_cache(maxsize=8192)
def undressed(text: str) -> str:
    r"""The text without math marks, boxes, font commands, spacing commands and a final full stop.

    >>> undressed(r"$\boxed{\text{ (B) }}$.")
    '(B)'
    >>> undressed(r"\left( \dfrac{1}{2},\, 3 \right)")
    '( \\frac{1}{2}, 3 )'
    """
    text = text.strip(INVISIBLE_ENDS)
    if text[-1:] in QUOTES and (text[:1] in QUOTES or text[:2] in ('\\"', "\\'")):
        text = text.lstrip("\\").strip(QUOTES).rstrip("\\")
    text = flat(EATEN.sub(r"\\t", text.strip(INVISIBLE_ENDS)))
    if any(sign in text for sign in "\\$*_~{"):
        text = _without_commands(text)
    text = " ".join(text.split())
    while text and text[-1] in ".,;:!。" and not text.endswith("..."):
        # "B." and "5," end in a stop that is the sentence's; "!" stays: 5! is a factorial.
        if text[-1] == "!":
            break
        text = text[:-1].rstrip()
    return text


def _without_commands(text: str) -> str:
    text = (
        text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cfrac", "\\frac")
    )
    if "\\begin" not in text:
        text = DOUBLED.sub("\\\\", text)
    text = GROUPED.sub(",", text)
    text = CIRCLE.sub(r"^{\\circ}", text)
    text = text.replace("\\$", "USD ").replace("\\%", "%")
    text = text.replace("{,}", ",").replace("\\degree", "^{\\circ}")
    if text.count("$") == 1:
        text = text.replace("$", "USD ")  # a lone dollar is money, a pair is mathematics
    text = MATH_MARKS.sub(" ", text)
    if "**" in text and not text.startswith("**"):
        text = STARS.sub("^", text)
    text = SPACING.sub(" ", DROPPED.sub(" " if "**" not in text else "", text))
    for _ in range(8):  # fonts nest: \text{\textbf{(A)}}
        text, changed = FONT.subn(lambda m: " " + m[1] + " ", text)
        if not changed:
            break
    return _unboxed(STRAY_STOP.sub("", text.strip()))


def _unboxed(text: str) -> str:
    """The text without a box, or braces, that hold all of it."""
    for _ in range(8):
        match = BOXED.match(text)
        start = match.end() if match else (1 if text.startswith("{") else 0)
        if not start or not text.rstrip(" .").endswith("}"):
            break
        inner = text.rstrip(" .")[start:-1]
        depth = 0
        for char in inner:
            depth += (char == "{") - (char == "}")
            if depth < 0:
                return text
        text = inner.strip()
    return text


@lru_cache(maxsize=8192)
def folded(text: str) -> str:
    """Words for comparing: case, accents, punctuation and white space folded away.

    Accents go by canonical decomposition only, so that look-alike letters stay what they are.

    >>> folded("  The  Café-au-lait, please! ")
    'the cafe au lait please'
    """
    text = undressed(text)
    if not text.isascii():
        decomposed = unicodedata.normalize("NFD", text)
        text = "".join(char for char in decomposed if not unicodedata.combining(char))
    text = text.casefold().replace("'", "")
    return " ".join(
        re.sub(r"[^\w\s.%/+\-]|(?<![0-9])[.\-/+]|[.\-/+](?![0-9])|_", " ", text).split()
    )


def is_wordy(text: str) -> bool:
    r"""Whether the text is words and not a formula, so that folding its signs away loses nothing.

    >>> is_wordy("a well-known cat (black)"), is_wordy("6a - 3b"), is_wordy(r"x \ge 2")
    (True, False, False)
    """
    return WORDY.fullmatch(undressed(text)) is not None


@lru_cache(maxsize=8192)
def compact(text: str) -> str:
    r"""The undressed text without any space or brace, for comparing formulas as strings.

    >>> compact(r"$ 12 - 4\sqrt{3} $") == compact(r"12-4\sqrt 3")
    True
    """
    text = undressed(text)
    # 4 2 is not 42: a space between digits parts two numbers.
    return re.sub(r"[\s{}]+", "", re.sub(r"(?<=[0-9])\s+(?=[0-9])", "&", text))
