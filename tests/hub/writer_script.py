"""Start a server of its own and push commits through the client; print each path and commit once it is acknowledged."""

import os
import sys

from huggingface_hub import HfApi

from course_nlp.hub import start

root, name, count = sys.argv[1:]
server = start(root, tokens={"token": "ada"})
api = HfApi(endpoint=server.url, token="token")
for n in range(int(count)):
    path = f"{name}-{n}.bin" if n % 3 == 0 else f"{name}-{n}.txt"
    commit = api.upload_file(repo_id="ada/m", path_in_repo=path, path_or_fileobj=os.urandom(40))
    print(path, commit.oid, flush=True)
