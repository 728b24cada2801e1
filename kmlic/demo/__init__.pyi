from .demo_run import DemoRun as DemoRun
from .serve_demo import build_demo as build_demo
from .serve_demo import serve_demo as serve_demo
