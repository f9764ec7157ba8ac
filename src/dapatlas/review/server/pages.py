"""The pages: files of the package, nothing else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).parents[1] / "web"
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".txt": "text/plain",
}
ASK_AGAIN = "no-cache"  # a new dapatlas has new pages

router = APIRouter()


class Pages(StaticFiles):
    """Files of known types; their type comes from us, not from the machine's own table."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        place = PurePosixPath(path)
        kind = TYPES.get(place.suffix)
        if kind is None or any(part.startswith(".") for part in place.parts):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        if "content-type" in response.headers:
            response.headers["content-type"] = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
        response.headers["Cache-Control"] = ASK_AGAIN
        return response


@router.get("/", include_in_schema=False)
def index() -> FileResponse:
    """The one page."""
    return FileResponse(
        WEB / "index.html", media_type="text/html; charset=utf-8", headers={"Cache-Control": ASK_AGAIN}
    )


@router.get("/favicon.ico", include_in_schema=False)
def no_icon() -> Response:
    """Browsers ask for one whatever the page says."""
    return Response(status_code=204)
