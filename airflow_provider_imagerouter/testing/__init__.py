"""What tests of Dags need; pytest finds the fixtures by itself."""
