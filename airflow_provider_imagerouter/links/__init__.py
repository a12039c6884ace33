"""Where Airflow's pages lead to: the pages of the gallery, and what the operators' buttons open."""
