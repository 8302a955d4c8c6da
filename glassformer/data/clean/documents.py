"""Steps that keep, cut or drop whole documents; "" means drop."""


def length(text: str, min_characters: int = 0, max_characters: int = 0, long_documents: str = "cut") -> str:
    """Documents shorter than `min_characters` are dropped; longer than `max_characters`, cut there or dropped."""
    if len(text) < min_characters:
        return ""
    if not max_characters or len(text) <= max_characters:
        return text
    return text[:max_characters] if long_documents == "cut" else ""
