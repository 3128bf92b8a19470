"""Every error thermolang raises.

ThermolangError
├── ModelError             (RuntimeError)  a model cannot be found, loaded or used
│   ├── ModelBusyError                     too many calls wait for it
│   └── ModelTimeoutError                  an answer took longer than its call allows
├── CalibratorMismatchError (ValueError)   a calibrator belongs to another model
├── CalibratorFormatError  (ValueError)    a calibrator's files are damaged or foreign
├── TaskFormatError        (ValueError)    a file of questions cannot be read
├── NotEnoughDataError     (ValueError)    too few items for what was asked
├── InvalidInputError      (ValueError)    numbers or settings that mean nothing to what was asked
├── MissingExtraError      (ImportError)   an optional dependency is not installed
└── StoreError             (RuntimeError)  the review database cannot be used
    ├── ConflictError                      somebody else decided first
    ├── RefusedError                       what was asked of it is impossible; the database is fine
    └── LoginError                         a wrong name or password, or too many of them
"""

from __future__ import annotations

import importlib
from types import ModuleType


class ThermolangError(Exception):
    """Base class of all errors raised by thermolang."""


class ModelError(ThermolangError, RuntimeError):
    """A model cannot be found, loaded or used as asked."""


class ModelBusyError(ModelError):
    """Too many calls wait for the model already; the message says how many, and what to do."""


class ModelTimeoutError(ModelError, TimeoutError):
    """An answer was not finished in the time that its call allows; the message says how far it came."""


class CalibratorMismatchError(ThermolangError, ValueError):
    """A calibrator was trained for another model, tokenizer, template or prompt version."""


class CalibratorFormatError(ThermolangError, ValueError):
    """A calibrator's files are damaged, incomplete or not thermolang's."""


class TaskFormatError(ThermolangError, ValueError):
    """A file of questions cannot be read; the message names file, line and what was expected."""


class NotEnoughDataError(ThermolangError, ValueError):
    """Fewer items than the computation needs; the message says how many there are and are needed."""


class InvalidInputError(ThermolangError, ValueError):
    """An argument is outside what the computation is defined for; the message says what was expected."""


class MissingExtraError(ThermolangError, ImportError):
    """An optional dependency is not installed; the message gives the pip command."""


class StoreError(ThermolangError, RuntimeError):
    """The review database cannot be opened, read or written."""


class ConflictError(StoreError):
    """The item was changed by somebody else since it was read."""


class RefusedError(StoreError):
    """An item, a verdict or a filter is impossible; the message says what was expected."""


class LoginError(StoreError):
    """A login is refused: a wrong name or password, or too many of them."""


def complaint(error: Exception) -> str:
    """What an error says in one line; of pydantic's, which list every field, the first field and its problem."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return (f"`{where}`: " if where else "") + first["msg"].removeprefix("Value error, ")


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module or say which extra brings it.

    Args:
        module: Dotted name, such as ``"gradio"``.
        extra: The thermolang extra that installs it, such as ``"app"``.

    Raises:
        MissingExtraError: The module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        msg = f'this needs {module}, which is not installed: pip install "thermolang[{extra}]"'
        raise MissingExtraError(msg) from error
