"""The conversation as the client sees it: items, one behind the other. Pure."""

import secrets
from collections import OrderedDict
from typing import Any

Json = dict[str, Any]

MAX_ITEMS = 1000
"""Older ones can be asked for no more."""


def new_id(kind: str) -> str:
    """Return an id such as `item_5f3a…`."""
    return f"{kind}_{secrets.token_hex(10)}"


class Items:
    """The items, by id, in their order."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, Json] = OrderedDict()

    @property
    def last_id(self) -> str | None:
        """The newest item's id; None if there is none."""
        return next(reversed(self._items), None)

    def add(self, item: Json) -> str | None:
        """Add an item behind all others; return the id of the one before it."""
        previous = self.last_id
        self._items[item["id"]] = item
        while len(self._items) > MAX_ITEMS:
            self._items.popitem(last=False)
        return previous

    def get(self, item_id: str) -> Json | None:
        return self._items.get(item_id)

    def delete(self, item_id: str) -> bool:
        """Return whether there was such an item."""
        return self._items.pop(item_id, None) is not None


def user_message(item_id: str, content: list[Json], *, status: str = "completed") -> Json:
    return _message(item_id, "user", content, status)


def assistant_message(item_id: str, content: list[Json], *, status: str) -> Json:
    return _message(item_id, "assistant", content, status)


def function_call(item_id: str, call_id: str, name: str, arguments: str, *, status: str) -> Json:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def _message(item_id: str, role: str, content: list[Json], status: str) -> Json:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
        "content": content,
    }
