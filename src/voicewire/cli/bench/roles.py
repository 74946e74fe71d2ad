"""Makes the callers of a scenario."""

from collections.abc import Callable, Sequence

from voicewire.cli.bench.conversation import ConversationCaller, ConversationScript, Phrase
from voicewire.cli.bench.dialect import DIALECTS, Dialect
from voicewire.cli.bench.echo import EchoCaller, EchoScript
from voicewire.cli.bench.plan import FRAME_BYTES, Plan
from voicewire.cli.bench.role import Role
from voicewire.cli.bench.speech import cut_frames, load_phrases, stamped, wire_messages
from voicewire.cli.bench.stamps import StampTable
from voicewire.cli.call.sound import Sound
from voicewire.cli.call.speech_span import find_speech


def role_maker(plan: Plan) -> Callable[[int], Role]:
    """Return what makes the role of the caller of each number.

    Raises:
        CommandError: The recordings cannot be read.
    """
    dialect = DIALECTS[plan.dialect]()
    phrases = load_phrases(plan.speech)
    if plan.scenario == "conversation":
        return _conversation_maker(plan, phrases, dialect)
    return _echo_maker(plan, phrases, dialect)


def _echo_maker(plan: Plan, phrases: Sequence[Sound], dialect: Dialect) -> Callable[[int], Role]:
    frames = stamped(cut_frames(phrases))
    messages = wire_messages(frames, dialect)
    script = EchoScript(messages, StampTable(frames), dialect, plan.client_buffer_secs)

    def make(number: int) -> Role:
        first_frame = number * len(frames) // plan.sessions
        return EchoCaller(script, first_frame=first_frame % len(frames))

    return make


def _conversation_maker(
    plan: Plan, phrases: Sequence[Sound], dialect: Dialect
) -> Callable[[int], Role]:
    (silence,) = wire_messages([bytes(FRAME_BYTES)], dialect)
    script = ConversationScript(
        [
            Phrase(wire_messages(cut_frames([phrase]), dialect), find_speech(phrase))
            for phrase in phrases
        ],
        silence,
        dialect,
        plan.client_buffer_secs,
    )
    return lambda number: ConversationCaller(script, number=number)
