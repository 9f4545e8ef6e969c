"""The mirror's engine: read, map, plan, guard, apply, record; the worker thread; the schedule.

Knows neither SQL nor HTTP: it reaches both through the journal, the reader and the writer.
"""
