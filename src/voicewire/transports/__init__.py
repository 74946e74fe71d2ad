"""How audio comes in and goes out."""

from voicewire.transports.base import BaseTransport
from voicewire.transports.client import ClientConnection
from voicewire.transports.connect import ConnectRequest
from voicewire.transports.handshake import HandshakeRequest, Rejection
from voicewire.transports.identity import Identity
from voicewire.transports.params import (
    TransportParams,
    WebsocketClientParams,
    WebsocketServerParams,
)
from voicewire.transports.stats import TransportStats
from voicewire.transports.tls import TLSFiles
from voicewire.transports.websocket_client import WebsocketClientTransport
from voicewire.transports.websocket_server import WebsocketServerTransport

__all__ = [
    "BaseTransport",
    "ClientConnection",
    "ConnectRequest",
    "HandshakeRequest",
    "Identity",
    "Rejection",
    "TLSFiles",
    "TransportParams",
    "TransportStats",
    "WebsocketClientParams",
    "WebsocketClientTransport",
    "WebsocketServerParams",
    "WebsocketServerTransport",
]
