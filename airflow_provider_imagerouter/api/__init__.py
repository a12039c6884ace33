"""
The API's language: requests, answers, catalogue and credits as plain values.

Pure functions only: nothing here imports Airflow or an HTTP client, or does I/O, and none of it knows of operators.
"""
