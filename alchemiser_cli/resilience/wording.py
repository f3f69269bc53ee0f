"""What the guards say about an error that is not theirs, whatever that error is made of."""

__all__ = ["code_of", "text_of"]


def code_of(error: BaseException) -> str:
    """Return the error's code, or the name of a foreign exception's class."""
    return str(getattr(error, "code", "") or type(error).__name__)


def text_of(error: BaseException) -> str:
    """Return what the error says; an exception whose ``str`` raises says its class."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001  whatever a foreign __str__ raises
        return type(error).__name__
