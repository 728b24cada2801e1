"""The page to drop images on."""

from typing import TYPE_CHECKING

from kmlic.lazy_package import lazy_package

if TYPE_CHECKING:
    from kmlic.demo.demo_run import DemoRun
    from kmlic.demo.serve_demo import build_demo, serve_demo

__all__ = ["DemoRun", "build_demo", "serve_demo"]

lazy_package(__name__)
