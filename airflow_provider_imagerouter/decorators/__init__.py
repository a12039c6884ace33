"""Task decorators: a function writes the prompt, the task makes the picture."""
