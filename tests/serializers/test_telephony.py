"""What holds for the wire of every telephone provider, whatever the peer sends."""

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serializers import (
    test_asterisk,
    test_exotel,
    test_genesys,
    test_plivo,
    test_telnyx,
    test_twilio,
    test_vonage,
)
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    KeypadEntry,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    OutputTransportMessageFrame,
    PlayoutMarkFrame,
    TTSAudioRawFrame,
)
from voicewire.serializers import (
    AsteriskFrameSerializer,
    ExotelFrameSerializer,
    FrameSerializer,
    GenesysAudioHookSerializer,
    PlivoFrameSerializer,
    ProtobufFrameSerializer,
    TelnyxFrameSerializer,
    TwilioFrameSerializer,
    VonageFrameSerializer,
)


class Wire(NamedTuple):
    """A provider, and a call as it sends it."""

    make: Callable[[], FrameSerializer]
    conversation: list[Any]

    @property
    def messages(self) -> list[bytes | str]:
        return [
            json.dumps(message) if isinstance(message, dict) else message
            for message in self.conversation
        ]


WIRES = {
    "twilio": Wire(TwilioFrameSerializer, test_twilio.CONVERSATION),
    "twilio, known stream": Wire(
        lambda: TwilioFrameSerializer(test_twilio.STREAM), test_twilio.CONVERSATION
    ),
    "telnyx": Wire(TelnyxFrameSerializer, test_telnyx.CONVERSATION),
    "plivo": Wire(PlivoFrameSerializer, test_plivo.CONVERSATION),
    "exotel": Wire(ExotelFrameSerializer, test_exotel.CONVERSATION),
    "vonage": Wire(VonageFrameSerializer, test_vonage.CONVERSATION),
    "genesys": Wire(GenesysAudioHookSerializer, test_genesys.CONVERSATION),
    "asterisk, plain": Wire(AsteriskFrameSerializer, test_asterisk.CONVERSATION),
    "asterisk, JSON": Wire(AsteriskFrameSerializer, test_asterisk.JSON_CONVERSATION),
}

every_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)


def act(serializer: FrameSerializer, message: bytes | str) -> Frame | None:
    """Do what a transport does with a message; only the errors that it expects may come."""
    try:
        frame, refused = serializer.deserialize(message), None
    except FrameDecodeError as error:
        frame, refused = None, error
    assert refused is None or (refused.kind and len(str(refused)) < 1000)
    if isinstance(frame, InputAudioRawFrame):
        assert frame.num_channels == 1
        assert frame.audio
        assert len(frame.audio) % 2 == 0
    else:
        assert frame is None or isinstance(frame, InputDTMFFrame | PlayoutMarkFrame)
    for reply in serializer.take_replies():
        json.loads(reply)
    answer(serializer)
    return frame


def answer(serializer: FrameSerializer) -> None:
    """Say everything that a bot may say."""
    rate = serializer.sample_rate or 8000
    frames: list[Frame] = [
        OutputAudioRawFrame(bytes(rate // 50 * 2), rate, 1),
        InterruptionFrame(),
        OutputDTMFFrame(KeypadEntry.ONE),
        OutputDTMFUrgentFrame(KeypadEntry.ONE),
        OutputTransportMessageFrame({"x": 1}),
        EndFrame(),
    ]
    for frame in frames:
        try:
            serializer.serialize(frame)
        except FrameEncodeError:
            assert not serializer.has_started
    serializer.mark("m")
    serializer.goodbye()
    serializer.hang_up_request(now=0.0)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["start", "media", "stop", "8000", "PCMU", "L16", "..", "1" * 5000]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=10) | st.sampled_from(["event", "type"]), inner)
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of each value in a message."""
    inner = value.items() if isinstance(value, dict) else ()
    return [path] * bool(path) + [place for key, at in inner for place in places(at, (*path, key))]


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("event", [{}, [], None, 1])
def test_a_first_message_whose_kind_is_no_string_is_of_no_wire(name: str, event: Any) -> None:
    serializer = WIRES[name].make()
    assert not serializer.knows(json.dumps({"event": event, "type": event}))


@st.composite
def damaged(draw: st.DrawFn, message: Any) -> bytes | str:
    """Draw a message with something in it that is not what it should be."""
    if not isinstance(message, dict):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(message))] * 2)))
        filling: Any = draw(st.text(max_size=4) if isinstance(message, str) else st.binary())
        cut: bytes | str = message[:start] + filling + message[end:]
        return cut
    broken: dict[str, Any] = copy.deepcopy(message)
    *path, last = draw(st.sampled_from(places(message)))
    inner = broken
    for key in path:
        inner = inner[key]
    if draw(st.booleans()):
        inner[last] = draw(values)
    else:
        del inner[last]
    return json.dumps(broken)


@every_wire
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_comes_is_understood_or_refused(wire: Wire, data: st.DataObject) -> None:
    serializer = wire.make()
    messages = st.one_of(
        values.map(json.dumps),
        st.text(max_size=40),
        st.binary(max_size=40),
        st.sampled_from(wire.messages),
        st.sampled_from(wire.conversation).flatmap(damaged),
    )
    for message in data.draw(st.lists(messages, max_size=12)):
        act(serializer, message)


@every_wire
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_message_harms_no_other(wire: Wire, data: st.DataObject) -> None:
    serializer = wire.make()
    heard = []
    for message, original in zip(wire.messages, wire.conversation, strict=True):
        if serializer.has_started and not isinstance(original, bytes):
            # Such as no provider sends: it ends nothing, and is nothing.
            act(serializer, data.draw(values.map(lambda value: json.dumps([value]))))
        heard.append(type(act(serializer, message)))
    assert heard == kinds_of_a_call(wire.make(), wire)


@every_wire
def test_each_connection_has_its_own(wire: Wire) -> None:
    configured = wire.make()
    first, second = copy.deepcopy(configured), copy.deepcopy(configured)
    kinds = kinds_of_a_call(first, wire)
    assert (configured.call, second.call) == (None, None)
    assert (second.is_over, second.take_replies()) == (False, [])
    assert kinds_of_a_call(second, wire) == kinds


def kinds_of_a_call(serializer: FrameSerializer, wire: Wire) -> list[type]:
    return [type(act(serializer, message)) for message in wire.messages]


@every_wire
def test_a_copy_of_a_call_in_progress_goes_on_by_itself(wire: Wire) -> None:
    serializer = wire.make()
    half = len(wire.messages) // 2
    for message in wire.messages[:half]:
        act(serializer, message)
    other = copy.deepcopy(serializer)
    kinds = [type(act(other, message)) for message in wire.messages[half:]]
    assert [type(act(serializer, message)) for message in wire.messages[half:]] == kinds


@every_wire
def test_speech_of_any_kind_is_audio(wire: Wire) -> None:
    serializer = wire.make()
    for message in wire.messages:
        if not serializer.has_started:
            serializer.deserialize(message)
    rate = serializer.sample_rate
    assert rate is not None
    spoken = serializer.serialize(TTSAudioRawFrame(bytes(rate // 50 * 2), rate, 1))
    assert spoken == serializer.serialize(OutputAudioRawFrame(bytes(rate // 50 * 2), rate, 1))
    assert spoken


def test_a_wire_without_a_telephone_has_nothing_to_say_of_calls() -> None:
    serializer = ProtobufFrameSerializer()
    assert (serializer.sample_rate, serializer.packet_secs, serializer.call) == (None, None, None)
    assert (serializer.has_started, serializer.is_over) == (True, False)
    assert serializer.take_replies() == []
    assert (serializer.mark("m"), serializer.goodbye()) == (None, None)
    assert serializer.hang_up_request(now=0.0) is None
