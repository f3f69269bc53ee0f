"""The fingerprint: which failures are the same one again, in every process and after a restart."""

from hashlib import blake2b

__all__ = ["fingerprint"]


def fingerprint(code: str, component: str, template: str) -> str:
    """Return 32 hexadecimal digits that name the group of a failure.

    They are the BLAKE2b digest of the code, the component and the template, which is
    ``skeleton`` of what happened. The templates of ``TemplateMiner`` would not do: they depend
    on what a process has seen before.
    """
    parts = f"{code}\x00{component}\x00{template}"
    return blake2b(parts.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
