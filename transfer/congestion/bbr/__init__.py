"""BBR version 3: a model of the path, tested in turns (draft-ietf-ccwg-bbr). Pure."""

from transfer.congestion.bbr.config import BbrConfig
from transfer.congestion.bbr.controller import Bbr

__all__ = ["Bbr", "BbrConfig"]
