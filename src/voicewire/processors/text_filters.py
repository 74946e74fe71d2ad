"""Text as a voice should get it: without Markdown, without emoji.

For the text of a language model on its way to text-to-speech, a sentence or more at a time.
"""

import re
from typing import TYPE_CHECKING

from voicewire.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markdown_it.token import Token

MAX_PASSES = 16
"""How often a text is read as Markdown: what a first pass uncovers, such as `\\*\\*so\\*\\*`, is
what a second one takes away. Each level that is escaped takes one."""

MAX_NESTING = 100
"""Lists in lists and quotes in quotes; what lies deeper is left out."""


_MARKS = re.compile(r"[*_`~\[<&\\#|>=+\-\n\0]")
"""Text without any of these is no Markdown, or the same without it."""

_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})(.*)")
_TABLE_ROW = re.compile(r"^[ \t]*\|(.*)\|[ \t]*$", re.M)
_TABLE_RULE = re.compile(
    r"^[ \t]*\|(?=[ \t:|]*-)[ \t:|-]*$|\A(?=[ \t:]*-)(?=[^|\n]*\|)[ \t:|-]*\Z", re.M
)
_CELL_END = re.compile(r"(?<!\\)\|")
_CHECKBOX = re.compile(r"^\[[ xX]\]\s+")
_BREAK = re.compile(r"<br\s*/?>", re.I)
_TAG = re.compile(
    r"</?(?:a|b|blockquote|code|del|div|em|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|pre|s|small|span"
    r"|strong|sub|sup|table|tbody|td|th|thead|tr|u|ul)(?:\s+[\w-]+\s*=.*)?\s*/?>|<!--.*-->",
    re.I | re.S,
)
_SENTENCE_END = (".", "!", "?", "…", ":", ",", ";")


class MarkdownTextFilter:
    r"""Takes away the marks of Markdown and leaves the words.

    Bold, italics, code and headings are their words, a link is its text, an image what stands for
    it, a row of a table its cells with commas; the points of lists go, the numbers stay. HTML's
    own tags go; others stay, for they may be SSML. A line that was a block of its own ends as a
    sentence does, so that a voice pauses there. `5*3`, `snake_case` and `a < b` stay what they are.

    ::

        >>> MarkdownTextFilter().filter("## Lunch\n- **Soup** of [the day](https://a.example)")
        'Lunch.\nSoup of the day'

    Args:
        drops_code_blocks: Whether fenced code is left out. As a block comes in many sentences, the
            filter then remembers that one is open: use one filter for each conversation, and
            `reset` it where an answer breaks off. Otherwise nothing is remembered.

    Raises:
        MissingExtraError: The extra `text` is not installed.
    """

    def __init__(self, *, drops_code_blocks: bool = False) -> None:
        try:
            from markdown_it import MarkdownIt
        except ImportError as exc:
            raise MissingExtraError("markdown_it", "text", needed_for="MarkdownTextFilter") from exc
        self._drops_code_blocks = drops_code_blocks
        self._open_fence = ""
        # Indented lines of an answer are seldom code, and "[Note]: beware" is no reference.
        self._parser = (
            MarkdownIt("commonmark", {"html": True, "maxNesting": MAX_NESTING})
            .enable(["table", "strikethrough"])
            .disable(["code", "html_block", "reference"])
        )

    def reset(self) -> None:
        """Forget that a code block was open: the answer has broken off."""
        self._open_fence = ""

    def filter(self, text: str) -> str:
        """Return the words of a sentence or more, without space around them."""
        if self._drops_code_blocks:
            text = self._without_code_blocks(text)
        text = text.strip()
        for _ in range(MAX_PASSES):
            if not _MARKS.search(text):
                break
            plain = self._read(text)
            if plain == text:
                break
            text = plain
        return text

    def _without_code_blocks(self, text: str) -> str:
        kept: list[str] = []
        for line in text.splitlines():
            fence = _FENCE.match(line)
            if self._open_fence:
                if fence and _closes(fence, self._open_fence):
                    self._open_fence = ""
            elif fence:
                self._open_fence = fence.group(1)
            else:
                kept.append(line)
        return "\n".join(kept)

    def _read(self, text: str) -> str:
        """Return a text's words as they are after one reading."""
        blocks: list[str] = []
        cells: list[str] | None = None
        number = ""
        for token in self._parser.parse(_TABLE_ROW.sub(_row, _TABLE_RULE.sub("\n", text))):
            if token.type == "inline":
                words = _CHECKBOX.sub("", _words(token.children or ()).strip())
                if cells is not None:
                    cells.append(words)
                else:
                    blocks.append(f"{number} {words}".strip())
                    number = ""
            elif token.type == "fence":
                blocks.append(f"{number} {token.content}".strip())
                number = ""
            elif token.type == "list_item_open":
                number = token.info and token.info + token.markup
            elif token.type == "list_item_close":
                blocks.append(number)
                number = ""
            elif token.type == "tr_open":
                cells = []
            elif token.type == "tr_close" and cells is not None:
                blocks.append(", ".join(filter(None, cells)))
                cells = None
        return _end_sentences([block for block in blocks if block])


def _closes(fence: re.Match[str], opening: str) -> bool:
    """Whether a fence ends the block that another began (CommonMark 0.31, section 4.5)."""
    marks, rest = fence.groups()
    return marks.startswith(opening) and not rest.strip()


def _row(match: re.Match[str]) -> str:
    """Return a row of a table that may have come without the rest: a row is a sentence."""
    cells = (cell.strip() for cell in _CELL_END.split(match.group(1)))
    return f"\n{', '.join(filter(None, cells))}\n"


def _words(tokens: "Iterable[Token]") -> str:
    words = ""
    emphases: list[str] = []
    for token in tokens:
        if token.type in ("text", "code_inline"):
            words += token.content
        elif token.type in ("softbreak", "hardbreak"):
            words += "\n"
        elif token.type == "image":
            words += _words(token.children or ())
        elif token.type == "html_inline":
            words += _sound_of_tag(token.content)
        elif token.type == "em_open":
            # CommonMark finds emphasis in 5*3*2, where people multiply.
            is_product = token.markup == "*" and words[-1:].isalnum()
            emphases.append("*" if is_product else "")
            words += emphases[-1]
        elif token.type == "em_close":
            words += emphases.pop()
    return words


def _sound_of_tag(tag: str) -> str:
    if _BREAK.fullmatch(tag):
        return "\n"
    return "" if _TAG.fullmatch(tag) else tag


def _end_sentences(blocks: list[str]) -> str:
    ended = [each if each.endswith(_SENTENCE_END) else f"{each}." for each in blocks[:-1]]
    return "\n".join([*ended, *blocks[-1:]])


# Code points of UTS #51 (Unicode Emoji), property Extended_Pictographic: it holds those that are
# kept free for emoji to come, too. Musical sharps and flats (266D..266F) are left out.
_PICTURES = (
    "\u231a\u231b\u2328\u2388\u23cf\u23e9-\u23f3\u23f8-\u23fa\u24c2\u25fb-\u25fe"
    "\u2600-\u2605\u2607-\u2612\u2614-\u266c\u2670-\u2685\u2690-\u2705\u2708-\u2712\u2714\u2716"
    "\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2755\u2757\u2763-\u2767"
    "\u2795-\u2797\u27a1\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55"
    "\U0001f000-\U0001f0ff\U0001f10d-\U0001f10f\U0001f12f\U0001f16c-\U0001f171"
    "\U0001f17e\U0001f17f\U0001f18e\U0001f191-\U0001f19a\U0001f1ad-\U0001f1ff\U0001f201-\U0001f20f"
    "\U0001f21a\U0001f22f\U0001f232-\U0001f23a\U0001f23c-\U0001f23f\U0001f249-\U0001f64f"
    "\U0001f680-\U0001f6ff\U0001f774-\U0001f77f\U0001f7d5-\U0001f7ff\U0001f80c-\U0001f80f"
    "\U0001f900-\U0001faff\U0001fc00-\U0001fffd"
)
_SYMBOLS = (
    "\u203c\u2049\u2139\u2194-\u2199\u21a9\u21aa\u25aa\u25ab\u25b6\u25c0\u2934\u2935"
    "\u2b05-\u2b07\u3030\u303d\u3297\u3299"
)
"""Text, unless a variation selector asks for the picture."""

_JOINTS = "\u200d\ufe0e\ufe0f\U000e0020-\U000e007f"
"""What builds sequences: the joiner, variation selectors, the tags of regional flags."""

_EMOJI = re.compile(
    rf"(?<!\s)\s*(?:(?:[{_PICTURES}]|[{_SYMBOLS}]\ufe0f)[{_PICTURES}{_SYMBOLS}{_JOINTS}]*\s*)+"
)
_KEYCAP = re.compile("[\ufe0e\ufe0f]?\u20e3")
_TEXT_SIGN = re.compile("([©®™])[\ufe0e\ufe0f]")


class EmojiFilter:
    """Takes away emoji, which voices read out by their names or stumble over.

    Whole sequences go: skin tones, families, flags. The digit of a keycap stays, for it is often a
    number that is meant; ©, ® and ™ stay, and arrows, unless they are drawn as emoji.

    ::

        >>> EmojiFilter().filter("Hi 👋🏽, press 1️⃣ now! 🎉")
        'Hi, press 1 now!'
    """

    def filter(self, text: str) -> str:
        """Return the text without emoji, and without the space that stood around them."""
        while (plain := _without_emoji(text)) != text:  # It has fewer of them each time.
            text = plain
        return text


def _without_emoji(text: str) -> str:
    text = _TEXT_SIGN.sub(r"\1", _KEYCAP.sub("", text))
    return _EMOJI.sub(_gap, text)


def _gap(match: re.Match[str]) -> str:
    """Return what parts the words on both sides of emoji."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    if not before or not after:
        return ""
    if "\n" in match.group():
        return "\n"
    is_apart = match.group() != match.group().strip() or (
        before[-1].isalnum() and after[0].isalnum()
    )
    return " " if is_apart and after[0] not in ".,;:!?)" else ""
