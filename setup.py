"""Install the top-level folders as sub-packages of the edgekit namespace (see docs/architecture.md)."""

from setuptools import find_packages, setup

PATTERNS = [
    "*.toml",
    "*.c",
    "*.h",
    "*.j2",
    "*.onnx",
    "*.npz",
    "*.txt",
    "kernel_sizes.json",
    "py.typed",
    "templates/*",
    "templates/*/*",
    "qemu/*.toml",
]
FOLDERS = ("quant", "nas", "codegen", "runtime_c", "boards")
packages = ["edgekit", *find_packages("edgekit", exclude=[f"{f}*" for f in FOLDERS])]
packages = ["edgekit", *(f"edgekit.{p}" for p in packages[1:])]
package_dir = {"edgekit": "edgekit"}
for folder in FOLDERS:
    package_dir[f"edgekit.{folder}"] = folder
    packages += [f"edgekit.{folder}", *(f"edgekit.{folder}.{p}" for p in find_packages(folder))]

setup(
    packages=packages,
    package_dir=package_dir,
    package_data={"": PATTERNS, "edgekit.runtime_c": [f"{d}/*" for d in ("include", "src", "harness", "freestanding")]},
)
