"""BBR version 1: a model of the path that losses do not change (Cardwell et al. 2016). Pure."""

from transfer.congestion.bbr1.config import Bbr1Config
from transfer.congestion.bbr1.controller import BbrV1

__all__ = ["Bbr1Config", "BbrV1"]
