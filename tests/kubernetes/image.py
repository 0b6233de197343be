"""Images of programs that are built already, without a Docker engine: a program, the libraries that it is linked to, and nothing else.

In: a name, a program, the archive to write. Out: an archive as `docker save` writes it, for `ctr images import`. The entry point and
the user are those of the Dockerfile.
"""

import hashlib
import io
import json
import pathlib
import re
import subprocess
import tarfile


def libraries_of(program):
    """Paths of the libraries that a program is linked to; none for a static one."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True)
    return [] if listed.returncode != 0 else re.findall(r"(/\S+) \(0x", listed.stdout)


def write_image(name, program, archive):
    """Writes the image NAME, whose entry point is `program`, to `archive`."""
    program = pathlib.Path(program)
    stripped = pathlib.Path(archive).with_suffix(".program")
    subprocess.run(["strip", "-o", stripped, program], check=True)
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(stripped, f"usr/local/bin/{program.name}")
        for library in libraries_of(program):
            tar.add(pathlib.Path(library).resolve(), library.lstrip("/"))
    stripped.unlink()
    layer = layer.getvalue()
    config = json.dumps({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": [f"/usr/local/bin/{program.name}"], "User": "10001:10001", "Env": ["PATH=/usr/local/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(archive, "w") as tar:
        for path, content in ((config_name, config), ("layer.tar", layer), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
