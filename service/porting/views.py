"""Class-based views whose objects wait while they are made: for a request's body, a database."""

from __future__ import annotations

from typing import Any, cast

from quart import current_app
from quart.typing import RouteCallable
from quart.views import MethodView, View


class PortedView(View):
    """Quart's, whose objects are made as plain functions are called: in a thread."""

    @classmethod
    def as_view(cls, name: str, *class_args: Any, **class_kwargs: Any) -> RouteCallable:
        """The view function, which makes an object for each request, unless one is for all."""
        if not cls.init_every_request:
            return super().as_view(name, *class_args, **class_kwargs)

        async def view(**kwargs: Any) -> Any:
            make: Any = current_app.ensure_async(decorated.view_class)
            made = await make(*class_args, **class_kwargs)
            return await current_app.ensure_async(made.dispatch_request)(**kwargs)

        decorated: Any = view
        for decorator in cls.decorators:
            view.__name__, view.__module__ = name, cls.__module__
            decorated = decorator(decorated)
        decorated.view_class, decorated.methods = cls, cls.methods
        decorated.__name__, decorated.__doc__ = name, cls.__doc__
        decorated.__module__ = cls.__module__
        decorated.provide_automatic_options = cls.provide_automatic_options
        return cast(RouteCallable, decorated)


class PortedMethodView(PortedView, MethodView):
    """The same, with a method for each of HTTP's."""
