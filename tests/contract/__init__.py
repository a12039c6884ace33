"""
What the package relies on at ImageRouter, one check a line, for any server: ``make contract``, or pytest.

``checks_*.py`` are the table, ``expectation.py`` is what its lines are made of, ``server.py`` asks (and sees to it that
nothing is paid), ``report.py`` says what was seen.
"""
