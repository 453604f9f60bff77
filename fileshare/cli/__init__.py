"""The command `kad`: what a person types and reads. Everything it does, the packages below do."""
