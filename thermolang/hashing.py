"""Short, stable names for texts."""

import hashlib


def digest(text: str, length: int = 16) -> str:
    """First hexadecimal digits of a text's SHA-256.

    >>> digest("thermolang", 8)
    '15f1b210'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
