from voicewire.transports.liveness import Liveness, Step


def test_a_peer_that_talks_is_never_pinged() -> None:
    liveness = Liveness(10.0, 5.0)
    for now in range(100, 200, 9):
        assert liveness.next_step(now, last_heard_at=now - 1)[0] is Step.NOTHING


def test_a_silent_peer_is_pinged_after_the_interval_and_given_up_after_the_timeout() -> None:
    liveness = Liveness(10.0, 5.0)
    assert liveness.next_step(100.0, 100.0) == (Step.NOTHING, 110.0)
    assert liveness.next_step(110.0, 100.0) == (Step.PING, 115.0)
    assert liveness.next_step(112.0, 100.0) == (Step.NOTHING, 115.0)
    assert liveness.next_step(115.0, 100.0) == (Step.GIVE_UP, None)


def test_any_byte_after_the_ping_is_an_answer() -> None:
    liveness = Liveness(10.0, 5.0)
    liveness.next_step(110.0, 100.0)
    assert liveness.next_step(115.0, 110.0) == (Step.NOTHING, 120.0)


def test_the_next_question_is_due_when_the_peer_has_been_silent_again() -> None:
    liveness = Liveness(10.0, 5.0)
    assert liveness.next_step(110.0, 107.0) == (Step.NOTHING, 117.0)


def test_without_an_interval_nothing_is_ever_due() -> None:
    assert Liveness(None, 5.0).next_step(1e9, 0.0) == (Step.NOTHING, None)


def test_without_a_timeout_a_silent_peer_is_pinged_again_and_again() -> None:
    liveness = Liveness(10.0, None)
    assert liveness.next_step(110.0, 100.0) == (Step.PING, 120.0)
    assert liveness.next_step(115.0, 100.0) == (Step.NOTHING, 120.0)
    assert liveness.next_step(120.0, 100.0) == (Step.PING, 130.0)
