"""The whole of CLAW.AI as real processes, for journeys, browser tests and benchmarks."""
