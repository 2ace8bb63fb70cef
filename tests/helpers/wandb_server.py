"""As much of W&B's server as its clients need: runs online, resumed, saved views and reports; all in memory."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

HISTORY = "wandb-history.jsonl"


class Server:
    """Runs in a thread; history: run id → the lines of its history, by their offsets; views: saved views and reports.

    status: the HTTP error that every request gets; stream_status: that of new rows alone; hangs: nothing is answered.
    """

    def __init__(self) -> None:
        self.history: dict[str, dict[int, str]] = {}
        self.configs: dict[str, str] = {}
        self.views: dict[str, dict[str, Any]] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.status: int | None = None
        self.stream_status: int | None = None
        self.hangs = False
        self.closed = threading.Event()
        handler = type("Bound", (_Handler,), {"server_state": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.closed.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def rows(self, run: str) -> list[dict[str, Any]]:
        """The history of `run`, in order."""
        return [json.loads(line) for _, line in sorted(self.history.get(run, {}).items())]

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """GraphQL."""
        name = variables.get("name") or variables.get("run") or ""
        project = {"id": "p", "name": "p", "entity": {"id": "e", "name": "me"}}
        if operation in ("Viewer", "GetDefaultEntity"):
            teams = {"edges": [{"node": {"name": "me"}}]}
            return {"viewer": {"id": "u", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": teams}}
        if operation == "UpsertBucket":
            self.history.setdefault(name, {})
            self.configs[name] = variables.get("config") or self.configs.get(name, "{}")
            bucket = {"id": f"b-{name}", "name": name, "displayName": name, "config": self.configs[name]}
            bucket |= {"description": None, "sweepName": None, "project": project}
            bucket["historyLineCount"] = len(self.history[name])
            return {"upsertBucket": {"bucket": bucket, "inserted": not self.history[name]}}
        if operation == "RunResumeStatus":
            known = self._resumed(name) if name in self.history else None
            return {"model": {**project, "bucket": known}}
        if operation == "CreateRunFiles":
            files = [{"name": file, "uploadUrl": f"{self.url}/upload"} for file in variables["files"]]
            return {"createRunFiles": {"runID": f"b-{name}", "uploadHeaders": [], "files": files}}
        if operation in ("View", "ProjectViews"):
            return {"project": {**project, "allViews": self._views(variables)}}
        if operation in ("UpsertView2", "upsertView"):
            return {"upsertView": self._upsert(variables)}
        if operation == "GetProjects":
            node = {"id": "p", "name": "p", "entityName": "me", "createdAt": "", "isBenchmark": False, "user": None}
            page = {"endCursor": None, "hasNextPage": False}
            return {"models": {"edges": [{"node": node, "cursor": ""}], "pageInfo": page}}
        return self._artifact_answer(operation, variables)

    def _artifact_answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """GraphQL about artifacts; their files go to `upload` with all others."""
        wish = variables.get("input") or variables
        if operation == "ArtifactType":
            return {"project": {"artifact": None}}
        if operation == "CreateArtifact":
            identity = f"a{len(self.artifacts)}"
            self.artifacts[identity] = {**wish, "state": "PENDING", "files": []}
            artifact = {"id": identity, "state": "PENDING", "artifactSequence": {"id": "s", "latestArtifact": None}}
            return {"createArtifact": {"artifact": artifact}}
        if operation == "CreateArtifactFiles":
            specs = wish["artifactFiles"]
            for spec in specs:
                self.artifacts[spec["artifactID"]]["files"].append(spec["name"])
            nodes = [self._upload(spec["name"], spec["artifactID"]) for spec in specs]
            return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}
        if operation in ("CreateArtifactManifest", "UpdateArtifactManifest"):
            manifest = {"id": "m", "file": self._upload("wandb_manifest.json", "")}
            return {operation[0].lower() + operation[1:]: {"artifactManifest": manifest}}
        if operation == "CommitArtifact":
            self.artifacts[variables["artifactID"]]["state"] = "COMMITTED"
            return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": ""}}}
        return {}

    def _upload(self, name: str, artifact: str) -> dict[str, Any]:
        """Where a file of an artifact goes."""
        place = {"uploadUrl": f"{self.url}/upload", "uploadHeaders": [], "storagePath": name, "id": "f", "name": name}
        return {**place, "displayName": name, "artifact": {"id": artifact}, "uploadMultipartUrls": None}

    def _views(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Those of a type, and of a name if there is one."""
        kind, name = wish.get("viewType", "runs"), wish.get("viewName")
        views = [view for view in self.views.values() if view["type"] == kind and name in (None, view["name"])]
        page = {"endCursor": None, "hasNextPage": False}
        return {"edges": [{"node": view, "cursor": ""} for view in views], "pageInfo": page}

    def _upsert(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Of an id that is there, the view is replaced; else there is a new one."""
        identity = wish.get("id") or f"v{len(self.views)}"
        inserted = identity not in self.views
        project = {"id": "p", "name": wish["projectName"], "entityName": wish["entityName"]}
        names = ("type", "name", "displayName", "description", "spec")
        moment = {"updatedAt": "2026-01-01T00:00:00Z", "createdAt": "2026-01-01T00:00:00Z"}
        self.views[identity] = {"id": identity, "project": project, **moment, **{key: wish[key] for key in names}}
        return {"view": self.views[identity], "inserted": inserted}

    def take(self, run: str, files: dict[str, Any]) -> None:
        """What the client streams."""
        for name, part in files.items():
            if name == HISTORY:
                for at, line in enumerate(part["content"]):
                    self.history.setdefault(run, {})[part["offset"] + at] = line

    def _resumed(self, name: str) -> dict[str, Any]:
        lines = [line for _, line in sorted(self.history[name].items())]
        return {
            "id": f"b-{name}",
            "name": name,
            "displayName": name,
            "summaryMetrics": lines[-1] if lines else "{}",
            "logLineCount": 0,
            "historyLineCount": len(lines),
            "eventsLineCount": 0,
            "historyTail": json.dumps(lines[-1:]),
            "eventsTail": "[]",
            "config": self.configs[name],
            "tags": [],
            "notes": "",
            "wandbConfig": json.dumps({"t": 1}),
        }


def _operation(query: str) -> str:
    """The name of the only operation in a text of GraphQL."""
    match = re.search(r"\b(?:query|mutation)\s+(\w+)", query)
    return match[1] if match else ""


class _Handler(BaseHTTPRequestHandler):
    server_state: ClassVar[Server]

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self._failed():
            self._send({})

    def do_PUT(self) -> None:
        self._body()
        if not self._failed():
            self._send({})

    def do_POST(self) -> None:
        body = self._body()
        if self._failed():
            return
        if self.path == "/graphql":
            asked = json.loads(body)
            operation = asked.get("operationName") or _operation(asked["query"])
            self._send({"data": self.server_state.answer(operation, asked.get("variables") or {})})
        elif self.path.endswith("/file_stream"):
            sent = json.loads(body)
            self.server_state.take(self.path.split("/")[-2], sent.get("files") or {})
            self._send({"exitcode": None, "limits": {}})
        else:
            self._send({})

    def _failed(self) -> bool:
        state = self.server_state
        if state.hangs:
            state.closed.wait()
            return True
        status = state.status or (state.stream_status if self.path.endswith("/file_stream") else None)
        if status is not None:
            self.send_error(status)
        return status is not None

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _send(self, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def serving(monkeypatch: pytest.MonkeyPatch, key: str) -> Iterator[Server]:
    """A server that W&B's client in this process finds, and those in processes that it starts, with this key."""
    stand_in = Server()
    monkeypatch.setenv("WANDB_BASE_URL", stand_in.url)
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.delenv("WANDB_SERVICE", raising=False)
    yield stand_in
    stand_in.close()
