"""The simulated links and our controllers against the kernel's TCP: the same transfers, through the same numbers.

Theory of operation. Two processes go into a network namespace of their own each, make a TUN device there, and hand it
to this process (`endpoint.py`). This one relays IP packets between the two devices (`relay.py`): when a packet arrives,
or whether, the very class of the simulated link says that the lab asks as well; only the clock is another one. A relay
of TCP connections would not do: it would repair the losses itself. What is sent again, and when what is sent, is up to
the kernel: its Reno, CUBIC and BBR. The other side of the table is the lab (`transfer.simulation`), in virtual time.
"""
