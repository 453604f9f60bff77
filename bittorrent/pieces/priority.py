"""Priorities of pieces and files: numbers from 0 (not wanted) to 7 (before all others)."""

from __future__ import annotations

DEFAULT_PRIORITY = 4
MAX_PRIORITY = 7
