"""Several protocols on one UDP socket."""
