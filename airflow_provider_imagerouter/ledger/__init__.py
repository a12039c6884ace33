"""What was sent, paid and stored, across the attempts of a task instance."""
