"""What must hold for any bytes, any order, any peer: Hypothesis, and nginx as a second opinion."""
