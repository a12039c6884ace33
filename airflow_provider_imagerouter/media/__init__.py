"""What bytes are: pictures and videos."""
