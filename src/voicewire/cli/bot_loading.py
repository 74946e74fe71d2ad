"""From `module:function` on a command line to the bot."""

import difflib
import importlib
import inspect
import sys
from pathlib import Path
from typing import cast

from voicewire.cli.console import EXIT_USAGE, CommandError, as_command_error
from voicewire.errors import MissingExtraError
from voicewire.sessions import Bot
from voicewire.transports import WebsocketServerParams

PARAMS_NAME = "transport_params"
"""What a module calls the parameters of its bots' transports."""


def load_bot(spec: str) -> Bot:
    """Import a bot, from the current directory too.

    Args:
        spec: `module:function`, such as `my_bots.greeter:bot`.

    Raises:
        CommandError: There is no such bot; the message says what is wrong.
    """
    module_name, _, function_name = spec.partition(":")
    if not module_name or not function_name:
        raise _error(spec, "expected module:function, such as my_bot:bot")
    if module_name.endswith(".py") or "/" in module_name:
        name = Path(module_name).stem
        raise _error(spec, f"that names a file; name the module: {name}:{function_name}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except MissingExtraError as exc:
        raise as_command_error(exc) from exc
    except Exception as exc:
        if isinstance(exc, ModuleNotFoundError) and _is_part_of(exc.name, module_name):
            raise _error(spec, f"there is no module {exc.name!r}") from exc
        fault = f"{type(exc).__name__}: {exc}"
        raise _error(spec, f"the module {module_name!r} cannot be imported: {fault}") from exc
    bot = getattr(module, function_name, None)
    if bot is None:
        names = [name for name, value in vars(module).items() if inspect.iscoroutinefunction(value)]
        near = difflib.get_close_matches(function_name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise _error(spec, f"the module {module_name!r} has no function {function_name!r}{hint}")
    if not inspect.iscoroutinefunction(bot):
        raise _error(spec, f"{function_name!r} is not an `async def` function")
    try:
        inspect.signature(bot).bind("the transport")
    except TypeError:
        raise _error(spec, f"{function_name!r} does not take the transport alone") from None
    return cast("Bot", bot)


def load_params(spec: str) -> WebsocketServerParams | None:
    """Return what the module of a bot that has been loaded says about transports; None if nothing.

    Raises:
        CommandError: Its `transport_params` are something else.
    """
    params = getattr(sys.modules[spec.partition(":")[0]], PARAMS_NAME, None)
    if params is not None and not isinstance(params, WebsocketServerParams):
        kind = type(params).__name__
        raise _error(spec, f"{PARAMS_NAME} is {kind}; expected WebsocketServerParams(...)")
    return params


def _is_part_of(missing: str | None, module_name: str) -> bool:
    return missing is not None and f"{module_name}.".startswith(f"{missing}.")


def _error(spec: str, fault: str) -> CommandError:
    return CommandError(f"--bot {spec}: {fault}", exit_code=EXIT_USAGE)
