"""The formats of files that Converse takes, by their media types, and by the extensions of their names."""

from __future__ import annotations

_SHEETS = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_WORDS = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

IMAGES = {"image/gif": "gif", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/png": "png", "image/webp": "webp"}

VIDEOS = {
    "video/3gpp": "three_gp",
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/x-matroska": "mkv",
    "video/x-ms-wmv": "wmv",
}

AUDIO = {
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp3": "mp3",
    "audio/mp4": "mp4",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/wav": "wav",
    "audio/webm": "webm",
    "audio/x-m4a": "m4a",
    "audio/x-matroska": "mka",
    "audio/x-wav": "wav",
}

DOCUMENTS = {
    "application/json": "txt",
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    _SHEETS: "xlsx",
    _WORDS: "docx",
    "application/xml": "txt",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}

#: Extensions that are not called as their format is.
_EXTENSIONS = {"jpg": "jpeg", "htm": "html", "markdown": "md", "3gp": "three_gp", "mpg": "mpeg"}


def format_of(formats: dict[str, str], media_type: str | None, name: str | None) -> str | None:
    """The format of a file; None if there is no such one.

    :param formats: one of the tables above.
    :param name: a file's name or URL, which tells where no media type does.
    """
    plain = (media_type or "").partition(";")[0].strip().lower()
    if plain in formats:
        return formats[plain]
    extension = (name or "").rpartition(".")[2].lower()
    extension = _EXTENSIONS.get(extension, extension)
    if extension in formats.values():
        return extension
    return "txt" if plain.startswith("text/") and formats is DOCUMENTS else None
