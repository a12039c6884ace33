"""The catalogue, the account and prices in a shell: ``airflow imagerouter …``."""
