"""What the caller says, turn by turn."""

from collections.abc import Sequence

from pydantic import ConfigDict, Field

from voicewire.clock import TimerHandle
from voicewire.context import LLMContext
from voicewire.events import EventEmitter
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMMessagesAppendFrame,
    LLMMessagesFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMSpeculationFrame,
    Message,
    StartFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.params import Params
from voicewire.pipeline import FrameDirection, InlineProcessor, ProcessorSetup, Role
from voicewire.turns import UserMuteStrategy, UserTurns, UserTurnStrategies
from voicewire.turns.strategy import TurnSetup

DOWNSTREAM = FrameDirection.DOWNSTREAM
UPSTREAM = FrameDirection.UPSTREAM

_OF_THE_CALLER = (
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
    TranscriptionFrame,
    InterimTranscriptionFrame,
)


class LLMUserAggregatorParams(Params):
    """How the caller's turns are found.

    Attributes:
        user_turn_strategies: When a turn begins and ends. One object serves one session.
        user_mute_strategies: When the caller is not listened to.
        speculate: Whether the language model begins at each pause on what has been said so far;
            what it has generated is said at once if that was all, and thrown away if not.
        transcript_secs: How long after a turn its transcription may still be on its way.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    user_turn_strategies: UserTurnStrategies = Field(default_factory=UserTurnStrategies)
    user_mute_strategies: Sequence[UserMuteStrategy] = ()
    speculate: bool = False
    transcript_secs: float = Field(default=1.5, ge=0.0)


class LLMUserAggregator(EventEmitter, InlineProcessor):
    """Says when the caller's turn begins and ends, and writes what they say into the context.

    A turn that begins cuts the bot off. When it is over and its last words are transcribed, the
    language model is asked: an `LLMContextFrame` goes downstream. Words that begin no turn, such as
    an "uh-huh" while the bot speaks, are left out.

    | Event | Arguments | When |
    |---|---|---|
    | `on_user_turn_started` | aggregator | it is the caller's turn |
    | `on_user_turn_stopped` | aggregator, text | the language model is asked |

    Args:
        context: The conversation. Each caller's begins as it is when the pipeline starts.
        params: How turns are found.
        name: For logs.
    """

    def __init__(
        self,
        context: LLMContext,
        *,
        params: LLMUserAggregatorParams | None = None,
        name: str | None = None,
    ) -> None:
        EventEmitter.__init__(self, "on_user_turn_started", "on_user_turn_stopped")
        InlineProcessor.__init__(self, name=name)
        self.context = context
        self._params = params or LLMUserAggregatorParams()
        self._turns = UserTurns(self._params.user_turn_strategies)
        self._opening: list[Message] = []
        self._words: list[str] = []
        self._is_user_speaking = False
        self._is_transcript_due = False
        self._last_words = self._speculated_on = ""
        self._is_end_expected = False
        self._waits_for_transcript = False
        self._is_muted = False
        self._timer: TimerHandle | None = None

    @property
    def is_muted(self) -> bool:
        """Whether the caller is not listened to."""
        return self._is_muted

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        setup.roles.add(Role.MEMORY)
        if not self._turns.are_decided_elsewhere:
            setup.roles.add(Role.TURNS)
        await self._turns.open(
            TurnSetup(
                clock=setup.clock,
                spawn=lambda coroutine, name: setup.tasks.create(coroutine, name=name),
                audio_sample_rate=setup.start.audio_in_sample_rate,
            ),
            on_started=self._begin_turn,
            on_stopped=self._end_turn,
            on_expected=self._expect_end,
        )

    async def cleanup(self) -> None:
        self._cancel_timer()
        await self._turns.close()

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        self._watch_mute(frame)
        if direction is UPSTREAM:
            self._turns.see(frame)
            self.push(frame, UPSTREAM)
        elif isinstance(frame, _OF_THE_CALLER):
            if not self._is_muted:
                self._listen(frame)
        elif isinstance(frame, LLMRunFrame):
            self._ask()
        elif isinstance(frame, LLMMessagesFrame):
            self.context.set_messages(frame.messages)
            self._ask()
        elif isinstance(frame, LLMMessagesAppendFrame | LLMMessagesUpdateFrame):
            self._change(frame)
        elif isinstance(frame, LLMSetToolsFrame):
            self.context.set_tools(frame.tools, keeps_own=frame.keeps_own)
        elif isinstance(frame, LLMSetToolChoiceFrame):
            self.context.set_tool_choice(frame.tool_choice)
        else:
            if isinstance(frame, UserStartedSpeakingFrame | UserStoppedSpeakingFrame):
                self._hear_of_turn(frame)
            elif isinstance(frame, StartFrame):
                self._opening = list(self.context.messages)
            elif isinstance(frame, ClientConnectedFrame):
                self._forget()
                self.context.set_messages(self._opening)
            elif isinstance(frame, ClientDisconnectedFrame):
                self._forget()
            self._turns.see(frame)
            self.push(frame, direction)

    def _listen(self, frame: Frame) -> None:
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._is_user_speaking = self._is_transcript_due = True
            self._is_end_expected = False
            self._last_words = self._speculated_on = ""
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._is_user_speaking = False
        waited = self._waits_for_transcript
        if not (waited and isinstance(frame, TranscriptionFrame)):
            self._turns.see(frame)  # Late words belong to the turn that waits for them.
        self.push(frame)
        if isinstance(frame, InterimTranscriptionFrame):
            if self._turns.is_in_turn and not self._is_user_speaking:
                self._last_words = frame.text
                self._speculate()
        elif isinstance(frame, TranscriptionFrame):
            if not self._is_user_speaking:
                self._is_transcript_due = False
            if self._turns.is_in_turn or self._is_turn_elsewhere or waited:
                self._words.append(frame.text)
            if self._waits_for_transcript and not self._is_transcript_due:
                self._finish()

    @property
    def _is_turn_elsewhere(self) -> bool:
        return self._turns.are_decided_elsewhere

    def _hear_of_turn(self, frame: UserStartedSpeakingFrame | UserStoppedSpeakingFrame) -> None:
        """Somebody else has decided: the transport, a service or a button."""
        if not self._is_turn_elsewhere:
            return
        if isinstance(frame, UserStartedSpeakingFrame):
            self._stop_waiting()
            self._emit("on_user_turn_started")
        else:
            self._wait_for_transcript()

    def _begin_turn(self) -> None:
        self._stop_waiting()
        self.push(UserStartedSpeakingFrame())
        self.push(UserStartedSpeakingFrame(), UPSTREAM)
        if self._require_setup().start.allow_interruptions:
            self.push(InterruptionFrame())
        self._emit("on_user_turn_started")

    def _end_turn(self) -> None:
        # Speech-to-text may answer at once: these words are no new turn.
        self._waits_for_transcript = True
        self.push(UserStoppedSpeakingFrame())
        self.push(UserStoppedSpeakingFrame(), UPSTREAM)
        if self._waits_for_transcript:
            self._wait_for_transcript()

    def _wait_for_transcript(self) -> None:
        self._stop_waiting()
        if not self._is_transcript_due:
            self._finish()
            return
        self._waits_for_transcript = True
        self._timer = self._require_setup().clock.call_later(
            self._params.transcript_secs, self._finish
        )

    def _finish(self) -> None:
        """The turn's words are there, or will not come: ask, if there are any."""
        self._stop_waiting()
        self._is_transcript_due = self._is_end_expected = False
        self._last_words = self._speculated_on = ""
        text = " ".join(self._words)
        self._words.clear()
        if text:
            self.context.add_message({"role": "user", "content": text})
            self._emit("on_user_turn_stopped", text)
            self._ask()

    def _expect_end(self) -> None:
        self._is_end_expected = True
        self._speculate()

    def _speculate(self) -> None:
        """Let the model begin on what the turn would be, if this pause may well be its end."""
        if not self._params.speculate or not self._is_end_expected or not self._last_words:
            return
        text = " ".join((*self._words, self._last_words))
        if text == self._speculated_on:
            return
        self._speculated_on = text
        messages = [*self.context.messages, {"role": "user", "content": text}]
        self.push(
            LLMSpeculationFrame(LLMContext(messages, self.context.tools, self.context.tool_choice))
        )

    def _ask(self) -> None:
        self.push(LLMContextFrame(self.context))

    def _change(self, frame: LLMMessagesAppendFrame | LLMMessagesUpdateFrame) -> None:
        if isinstance(frame, LLMMessagesAppendFrame):
            self.context.add_messages(frame.messages)
        else:
            self.context.set_messages(frame.messages)
        if frame.run_llm:
            self._ask()

    def _watch_mute(self, frame: Frame) -> None:
        strategies = self._params.user_mute_strategies
        if not strategies:
            return
        for strategy in strategies:
            strategy.see(frame)
        was_muted, self._is_muted = self._is_muted, any(each.is_muted for each in strategies)
        if self._is_muted and not was_muted:
            self._forget()

    def _forget(self) -> None:
        """Drop what has been said of a turn, and end it."""
        self._words.clear()
        self._is_user_speaking = self._is_transcript_due = False
        self._stop_waiting()
        self._turns.forget()

    def _stop_waiting(self) -> None:
        self._waits_for_transcript = False
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _emit(self, event_name: str, *args: object) -> None:
        tasks = self._require_setup().tasks
        tasks.create(self.emit(event_name, self, *args), name=f"{event_name} handlers")
