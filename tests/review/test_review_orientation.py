"""What the planes paint, what is said to lie under the cross, and where the map says it is: the same, in any orientation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from browser import CHROMIUM, FLAGS, Site, served

from dapatlas.phantom import make_cohort

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
AXES = ("RAS", "LPS", "PIR")
EVERY = 4  # of so many structures one is visited: drawing in software takes its time
# Goes to each structure; reads the pixel at the cross in each plane. Colours are opaque, the cross is another canvas.
VISIT = """
async (id) => {
  const { Planes } = await import("/web/viewer/planes.js");
  const { Viewer } = await import("/web/viewer/viewer.js");
  const get = async (path) => (await fetch(path)).json();
  const [scheme, detail] = await Promise.all([get("/api/scheme"), get(`/api/cases/${encodeURIComponent(id)}`)]);
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/web/case/case.css" });
  await new Promise((done) => ((style.onload = done), document.head.append(style)));
  let planes;
  const open = Planes.open;
  Planes.open = async (...given) => (planes = await open.apply(Planes, given));
  const host = document.createElement("div");
  Object.assign(host.style, { position: "fixed", inset: "0", width: "563px", height: "401px", zIndex: 99, display: "flex" });
  host.className = "stage";
  document.body.append(host);
  const viewer = await Viewer.open(host, detail, scheme);
  Planes.open = open;
  const finest = detail.layers.find((layer) => layer.name === "map").levels.at(-1).step;
  while ((viewer.layers.finest("map")?.step ?? 9) > finest || (viewer.hu?.exact ?? false) === false) await new Promise((done) => setTimeout(done, 50));
  await new Promise((done) => setTimeout(done, 300));
  viewer.opacity = 1;
  const { gl, nv } = planes;
  const pixel = ([x, y]) => {
    const rgba = new Uint8Array(4);
    const ratio = nv.uiData.dpr;
    gl.readPixels(Math.floor(x * ratio), gl.canvas.height - 1 - Math.floor(y * ratio), 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    return "#" + [...rgba.slice(0, 3)].map((part) => part.toString(16).padStart(2, "0")).join("");
  };
  const seen = detail.structures.filter((_, n) => n % EVERY === 0).map((structure) => {
    viewer.goToVoxel(structure.center);
    const { voxel, mm, structureAt } = viewer;
    nv.drawScene();
    const painted = Object.fromEntries(planes.tiles().map((tile) => [tile.axes.name, pixel(tile.toPixel(nv.scene.crosshairPos))]));
    return { name: structure.name, voxel, mm, structureAt, painted, hu: viewer.hu.value };
  });
  const low = planes.tiles().map((tile) => [tile.axes.name, tile.toPixel([0, 0, 0]), tile.toPixel([1, 1, 1])]);
  viewer.close();
  host.remove();
  return { seen, low, scheme, structures: detail.structures };
}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A case in each orientation, and one that is tilted."""
    folder = tmp_path_factory.mktemp("orientation")
    atlas = folder / "atlas"
    make_cohort(atlas, 4, seed=5, shape=(56, 44, 64), orientations=(*AXES, "LPS"))
    tilt = np.eye(4)
    tilt[:3, :3] = nib.eulerangles.euler2mat(0.35, 0.2, -0.1)
    case = sorted((atlas / "images").glob("*.nii.gz"))[-1].name
    for kind in ("images", "masks"):
        path = atlas / kind / case
        image = nib.load(path)
        array = np.asarray(image.dataobj)  # read before it is written over
        nib.save(nib.Nifti1Image(array, tilt @ image.affine), path)
    with served(atlas, f"sqlite:///{folder}/review.sqlite", folder / "cache") as running:
        yield running


@pytest.fixture(scope="module")
def visited(site: Site, page: Any) -> Callable[[int], Any]:
    """What the page tells of a case."""
    return cache(lambda number: page.evaluate(VISIT.replace("EVERY", str(EVERY)), site.cases[number]))


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1000, "height": 700})
        opened.goto(site.url)
        opened.wait_for_selector("nav")
        yield opened
        browser.close()


@pytest.mark.parametrize("number", range(4))
def test_planes_words_and_map_agree(site: Site, visited: Callable[[int], Any], number: int) -> None:
    case = site.cases[number]
    told = visited(number)
    mask, ct = (nib.load(next((site.atlas / kind).glob(f"{case}*"))) for kind in ("masks", "images"))
    labels, hu = np.asarray(mask.dataobj), np.asarray(ct.dataobj)
    ids = {row["name"]: row["id"] for row in told["scheme"]["structures"]}
    colours = {row["name"]: row["color"] for row in told["scheme"]["structures"]}
    assert len(told["seen"]) == -(-len(np.unique(labels[labels > 0])) // EVERY)
    for seen in told["seen"]:
        voxel = tuple(seen["voxel"])
        assert labels[voxel] == ids[seen["name"]]
        assert seen["structureAt"] == seen["name"]
        assert seen["hu"] == hu[voxel]
        np.testing.assert_allclose(seen["mm"], nib.affines.apply_affine(mask.affine, voxel), atol=0.01)
        assert seen["painted"] == dict.fromkeys(("Axial", "Coronal", "Sagittal"), colours[seen["name"]]), (
            seen["name"]
        )


def test_the_convention_is_radiological(visited: Callable[[int], Any]) -> None:
    """The patient's left is on the right of the screen, front and head are up, the nose points to the left."""
    planes = {name: (low, high) for name, low, high in visited(0)["low"]}
    for name, across in (("Axial", -1), ("Coronal", -1), ("Sagittal", -1)):
        (x, y), (more_x, more_y) = planes[name]
        assert np.sign(more_x - x) == across, (
            name
        )  # rightwards on the screen is against the axis of the world
        assert more_y < y, name
