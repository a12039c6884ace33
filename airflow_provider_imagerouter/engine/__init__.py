"""May I, must I, how many at once: one request, a batch, the budget, inputs and pictures."""
