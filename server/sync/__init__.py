"""One sync run (read, map, plan, guard, apply, record), the worker thread and the schedule.

Knows neither SQL nor HTTP: the journal and the vendors' clients hide both.
"""
