"""A bulk flow: the least sender and receiver that need all of congestion control. Pure.

Theory of operation. Packets have numbers and no payload; the receiver acknowledges the number up to which it has
everything, and the ranges beyond it that it got last (SACK). Each acknowledgement also names the very sending that
arrived last, as a TCP timestamp does, so the sender knows first sendings from second ones, and a round trip is never in
doubt. RACK finds losses, a probe finds those of a tail, a time-out those of everything; what is lost leaves before
what is new. The controller says how much may be on its way, the pacer when it leaves.

The driver carries packets and acknowledgements and looks at the clock:

    for packet in sender.packets_to_send(now=now): ...      # after every other call of the sender, and at the start
    acknowledgement = receiver.receive_packet(packet, now=now)
    sender.receive_acknowledgement(acknowledgement, now=now)
    sender.next_timer(), receiver.next_timer()              # call handle_timer then; earlier, it does nothing
"""
