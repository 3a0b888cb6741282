"""Mathematics that knows no shop: intervals, predictive tails, baselines, change points."""
