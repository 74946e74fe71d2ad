"""The XML by which providers are told what to do with a call."""

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from voicewire.serializers.call import StartAnswer


def xml_answer(content: str) -> StartAnswer:
    """Return a document of TwiML or its equals."""
    document = f'<?xml version="1.0" encoding="UTF-8"?><Response>{content}</Response>'
    return StartAnswer("text/xml", document)


def element(name: str, attributes: Mapping[str, str], content: str = "") -> str:
    """Return an element; its content is markup already."""
    pairs = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{pairs}>{content}</{name}>" if content else f"<{name}{pairs}/>"


def text(content: str) -> str:
    """Return text as the content of an element."""
    return escape(content)
