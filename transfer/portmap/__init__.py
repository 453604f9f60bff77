"""Asking the gateway of a network to let others in: NAT-PMP, PCP and UPnP-IGD as codecs, and when to ask what."""
