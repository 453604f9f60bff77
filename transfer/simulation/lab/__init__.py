"""The lab of congestion control: bulk flows over simulated links, in virtual time, without asyncio.

Theory of operation. A lab has two lines, one for data and one for acknowledgements (`line.py`): each is a `LinkModel`
of `transfer.simulation.link`, so that a packet meets here what a datagram meets in a `Simulation`. All flows share both
lines and nothing else (`flow.py`): each has a sender and a receiver of `transfer.congestion`, its own controller and,
if its path is to be longer than that of the others, its own delay. What happens next lies on one heap (`run.py`): a
packet arrives, an acknowledgement arrives, a sender's timer goes off, a link changes, a sample is due. What the flows
did stands in a `LabReport` (`report.py`).

Time is integer microseconds; equal configurations give equal reports, to the last digit.
"""
