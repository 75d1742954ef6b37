"""Identity providers on the loopback: a real one in a process of its own, and one that answers whatever a test says."""

import base64
import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey


@contextmanager
def real_provider() -> Iterator[str]:
    """An OpenID Connect server; answers with its issuer. ``PUT /users/<sub>`` says what it knows of a person."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        issuer = f"http://localhost:{port}"
        for _ in range(200):
            try:
                httpx2.get(issuer, timeout=5)
                break
            except httpx2.ConnectError:
                time.sleep(0.1)
        try:
            yield issuer
        finally:
            server.terminate()


class OddProvider:
    """A provider whose id token, keys and metadata a test can change; it checks secret and verifier as it should.

    ``claims`` and ``header`` are laid over what a right id token holds; a claim that is None is left out.
    """

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})
        self.behave()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._answer(self, "")

            def do_POST(self) -> None:
                provider._answer(self, self.rfile.read(int(self.headers["Content-Length"])).decode())

            def log_message(self, *_arguments: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def behave(self) -> None:
        """Answer rightly from now on."""
        self.signing_key: RSAKey | OctKey = self.key
        self.header: dict[str, str] = {}
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.asked: dict[str, str] = {}
        self.token_requests: list[dict[str, str]] = []

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def ask(self, address: str) -> dict[str, str]:
        """Take the question that a browser brings, and answer as if the person had agreed."""
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        return {"code": "the-code", "state": self.asked["state"]}

    def _answer(self, request: BaseHTTPRequestHandler, body: str) -> None:
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "/.well-known/openid-configuration": self._metadata,
            "/jwks": lambda: {"keys": [self.key.as_dict(private=False)]},
            "/token": lambda: self._token(body),
            "/userinfo": lambda: self.userinfo,
        }
        document = answers[request.path]()
        content = json.dumps(document).encode()
        request.send_response(400 if "error" in document else 200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _metadata(self) -> dict[str, Any]:
        names = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks",
                 "userinfo_endpoint": "/userinfo"}  # fmt: skip
        return {"issuer": self.issuer} | {name: f"{self.issuer}{path}" for name, path in names.items()} | self.metadata

    def _token(self, body: str) -> dict[str, Any]:
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.token_requests.append(form)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != self.asked["code_challenge"]:
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "person-1", "aud": "laurel", "iat": now, "exp": now + 300,
            "nonce": self.asked["nonce"], "email": "ada@hospital.example", "email_verified": True,
        } | self.claims  # fmt: skip
        said = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "RS256", "kid": "k1"} | self.header
        token = jwt.encode(header, said, self.signing_key, algorithms=[header["alg"]])
        return {"access_token": "at", "token_type": "Bearer", "expires_in": 300, "id_token": token}
