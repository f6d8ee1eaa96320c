# SPDX-License-Identifier: Apache-2.0
"""The compiled part: the module and the C library in one, so that a wheel needs
nothing else. The C sources lie two folders up in the project's tree, and in
`library` in a source distribution."""
import glob
import os

from setuptools import Extension, setup

here = os.path.dirname(os.path.abspath(__file__))
os.chdir(here)
library = "library" if os.path.isdir("library") else os.path.join("..", "..")

sources = sorted(glob.glob(os.path.join(library, "src", "*", "*.c")))
sources = [name for name in sources
           if not os.path.basename(name).startswith("windows")]
if not sources:
    raise SystemExit("setup.py: the sources of the library are not there")

setup(
    ext_modules=[
        Extension(
            "windpipe._windpipe",
            sorted(glob.glob("src/*.c")) + sources,
            include_dirs=[os.path.join(library, "include"),
                          os.path.join(library, "src")],
            define_macros=[("_GNU_SOURCE", "1")],
            extra_compile_args=["-std=c11", "-fvisibility=hidden",
                                "-Wno-missing-field-initializers"],
            extra_link_args=["-pthread"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp39"}},
)
