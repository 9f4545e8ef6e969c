"""Decides what the mirror has to do, and does nothing itself.

Pure: no files, sockets, clocks, threads or randomness; time comes in as an argument. The steps are
`mapping.map_directory`, `plan.make_plan` and `guard.guard`; `identity` and `revise` decide again
when WeCom answers while a plan is applied.
"""
