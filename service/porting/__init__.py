"""`service port`: rewrite a Flask code base, its tests included, for Quart and `get_db`.

It works as a compiler does. `project` reads all modules, `evaluation` finds out what every name
may stand for, `colouring` decides which functions become asynchronous, the files in `passes` turn
these decisions into edits, and `rewriter` writes each file once. What cannot be decided stays as
it is, in a function that Quart runs in a thread, and `report` tells of it.

Ported apps import `service.porting.runtime`, `.sending` and `.request_contexts`, and ported tests
`service.porting.testing`; nothing else here is needed to run them.
"""
