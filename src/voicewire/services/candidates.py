"""Services that can stand in for each other: which of them is asked next."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from voicewire.errors import ConfigurationError
from voicewire.events import nearest_name
from voicewire.frames import ServiceUpdateSettingsFrame
from voicewire.pipeline import ProcessorSetup
from voicewire.services.base import Service
from voicewire.services.together import all_at_once

RETRY_AFTER_SECS = 30.0
"""How long a service that has failed is left alone."""

S = TypeVar("S", bound=Service[Any])


class Candidates(Generic[S]):
    """The services that one service asks in its own place.

    Args:
        owner: That service: it reports, and has the pipeline's clock.
        services: In the order in which they are asked.
        retry_after_secs: How long one that has failed is left alone; where all have, none is.

    Raises:
        ConfigurationError: There are none, one is there twice, or two have one name.
    """

    def __init__(
        self, owner: Service[Any], services: Sequence[S], *, retry_after_secs: float
    ) -> None:
        if not services:
            raise ConfigurationError(f"{type(owner).__name__} needs at least one service")
        names = [each.name for each in services]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"two services of {type(owner).__name__} have one name")
        self._owner = owner
        self._services = list(services)
        self._retry_after_secs = retry_after_secs
        self._rests_until: dict[S, float] = {}
        self._setup: ProcessorSetup | None = None

    @property
    def first(self) -> S:
        """The one that is asked first, unless it has failed."""
        return self._services[0]

    def use(self, which: str | int) -> None:
        """Ask this one first from now on, also if it has just failed; the others keep their order.

        Args:
            which: Its name, or its place in the list that was given first of all or last to `use`.

        Raises:
            ConfigurationError: There is none such.
        """
        service = self._find(which)
        self._services.remove(service)
        self._services.insert(0, service)
        self._rests_until.pop(service, None)

    def to_ask(self) -> Iterator[S]:
        """Yield those that are to be asked, one after the other, as long as they fail.

        Those that have failed lately come last, so that where all have, all are asked.
        """
        now = self._now()
        resting = [each for each in self._services if self._rests_until.get(each, now) > now]
        yield from (each for each in tuple(self._services) if each not in resting)
        yield from sorted(resting, key=self._rests_until.__getitem__)

    def note_failure(self, service: S, exception: Exception, *, is_over: bool = False) -> None:
        """Leave a service alone for a while, and report it.

        Args:
            service: The one that has failed.
            exception: How.
            is_over: Whether no other can take over, so that the failure itself will be reported.
        """
        self._rests_until[service] = self._now() + self._retry_after_secs
        if not is_over:
            self._owner.report_error(
                f"{service.name} has failed, the next one takes over: {exception}", exception
            )
            self._owner.report_metric("num_fallbacks", 1)

    def note_success(self, service: S) -> None:
        """Remember that a service works."""
        self._rests_until.pop(service, None)

    async def setup(self, setup: ProcessorSetup) -> None:
        """Get all of them ready; their models and connections are there when one has to step in."""
        self._setup = setup
        await all_at_once(service.setup(setup) for service in self._services)

    async def cleanup(self) -> None:
        """Have all of them let go."""
        failures = await asyncio.gather(
            *(service.cleanup() for service in self._services), return_exceptions=True
        )
        for failure in failures:
            if isinstance(failure, BaseException):
                raise failure

    async def update(self, frame: ServiceUpdateSettingsFrame) -> None:
        """Pass new settings on: to the one that the frame names, or else to all.

        Raises:
            ValueError: One does not take them; the others have them.
        """
        fault: ValueError | None = None
        for service in self._services:
            if frame.service in (None, self._owner.name, service.name):
                try:
                    await service.update_settings(dict(frame.settings))
                except ValueError as exc:
                    fault = fault or ValueError(f"{service.name}: {exc}")
        if fault is not None:
            raise fault

    def _find(self, which: str | int) -> S:
        if isinstance(which, int):
            if 0 <= which < len(self._services):
                return self._services[which]
            raise ConfigurationError(
                f"there is no service {which}; there are 0 to {len(self._services) - 1}"
            )
        names = [each.name for each in self._services]
        if which not in names:
            raise ConfigurationError(f"there is no service {which!r}.{nearest_name(which, names)}")
        return self._services[names.index(which)]

    def _now(self) -> float:
        if self._setup is None:
            raise RuntimeError(f"{self._owner.name} is not part of a running pipeline yet")
        return self._setup.clock.now()
