"""Golden files: documents as they were last read and found good. `UPDATE_GOLDEN=1 pytest …` writes them anew."""

import os
from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "reporting" / "golden"


def golden(name: str, document: str) -> str:
    """Return the golden file of a document; with UPDATE_GOLDEN set, the document becomes it first."""
    path = _FOLDER / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(document, encoding="utf-8")
    return path.read_text(encoding="utf-8")
