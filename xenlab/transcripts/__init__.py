"""Pasted transcripts explained without a lab: split into what was typed and answered, and judged. Pure."""

from xenlab.transcripts.examining import examine
from xenlab.transcripts.notes import Event, Explanation, Note, Unread, Weight

__all__ = ["Event", "Explanation", "Note", "Unread", "Weight", "examine"]
