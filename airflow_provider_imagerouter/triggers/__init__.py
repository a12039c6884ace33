"""The trigger: the engine, in the triggerer."""
