"""The application without a face: what views (the command line, later a REST API and a page) have in common.

Nothing in it prints, reads a terminal, or knows a command's options.
"""
