"""Charts as SVG: what the command line and the benchmarks draw their pictures with."""
