"""What the mirror is to do, decided without doing anything.

Pure: no file, socket, clock, thread or chance in here; time comes in as an argument. The way
through: `mapping.map_directory` -> `plan.make_plan` -> `guard.guard`; `link` and `revise` answer
what can only be asked while a plan is being applied.
"""
