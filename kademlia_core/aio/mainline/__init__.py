"""The asyncio shell of a mainline node: `MainlineNode`, and the parts that carry out its commands."""
