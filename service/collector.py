"""Python's garbage collector while an app serves: less often, and without what stays for good.

What nobody refers to is freed at once; the collector is for objects that refer to each other. Each
request leaves a few of them, and to find these Python looks through the whole app again and again.
"""

from __future__ import annotations

import gc

from quart import Quart


def register(app: Quart, threshold: int) -> None:
    """Collect after ``threshold`` new objects that were not freed, among what came while serving.

    What the app consists of when it begins to serve is left out. 0 leaves everything to Python,
    which collects after 700 (2000 since 3.13). It holds for the whole process, until the app ends.
    """
    if not threshold:
        return
    before = gc.get_threshold()

    async def freeze() -> None:
        nonlocal before
        before = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(threshold)

    async def unfreeze() -> None:
        gc.set_threshold(*before)
        gc.unfreeze()

    app.before_serving(freeze)
    app.after_serving(unfreeze)
