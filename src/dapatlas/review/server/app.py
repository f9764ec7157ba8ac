"""The review server as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI

from dapatlas import __version__
from dapatlas.review.layers import check_compare
from dapatlas.review.server import (
    pages,
    routes_cases,
    routes_progress,
    routes_queue,
    routes_readers,
    routes_session,
    routes_verdicts,
)
from dapatlas.review.server.context import Review
from dapatlas.review.server.errors import handle_errors
from dapatlas.review.server.security import Bodies, Guard
from dapatlas.review.server.settings import Settings
from dapatlas.review.store import Store

ROUTES = (
    routes_session,
    routes_cases,
    routes_verdicts,
    routes_queue,
    routes_progress,
    routes_readers,
    pages,
)


THREADS = 16  # that endpoints run on: more would only wait for each other


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def create_app(settings: Settings, store: Store) -> FastAPI:
    """The review server of one data set.

    Parameters
    ----------
    settings
        What is reviewed, and who may come in.
    store
        Where verdicts and readers are kept.

    Raises
    ------
    DapatlasError
        The maps to compare with cannot be used.
    """
    check_compare(settings.compare)
    app = FastAPI(
        title="dapatlas review",
        version=__version__,
        docs_url=None,  # its pages load scripts from the network
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.review = Review(settings, store)
    handle_errors(app)
    for routes in ROUTES:
        app.include_router(routes.router)
    app.mount("/web", pages.Pages(directory=pages.WEB))
    app.add_middleware(Bodies)
    app.add_middleware(Guard, settings=settings)
    return app
