"""As much of the Docker Engine API as an agent asks for: running containers whose stdout stands in
the json-file logs given. No container runs; the agent cannot tell."""

import http.server
import json
import os
import re
import socketserver
import threading


class DockerApi:
    def __init__(self, socket_path, logs, form):
        self.address = f"unix://{socket_path}"
        self.path = str(socket_path)
        self.containers = {}
        for number, log in enumerate(logs):
            identity = f"{number + 1:064x}"
            environment = ["LONGSHORE_LOGS_console=stdout"]
            if form == "raw":
                environment.append("LONGSHORE_LOGS_console_format=raw")
            self.containers[identity] = {
                "Id": identity, "Name": f"/bench-{number}", "LogPath": str(log),
                "State": {"Running": True, "Pid": os.getpid()},
                "Config": {"Image": "bench:1", "Env": environment, "Labels": {}},
                "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {}}},
                "GraphDriver": {"Name": "overlay2", "Data": {}}, "Mounts": []}
        self.ended = threading.Event()
        self.server = Server(self.path, Handler)
        self.server.api = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        os.unlink(self.path)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "agent"

    def log_message(self, *_):
        pass

    def do_GET(self):
        api = self.server.api
        path = re.sub(r"^/v1\.\d+", "", self.path).partition("?")[0]
        inspected = re.fullmatch(r"/containers/(\w+)/json", path)
        if path == "/events":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.flush()
            api.ended.wait()
            self.close_connection = True
        elif path == "/_ping":
            self.answer("OK")
        elif path == "/info":
            self.answer(json.dumps({"DockerRootDir": "/nowhere"}))
        elif path == "/containers/json":
            self.answer(json.dumps([{"Id": identity, "State": "running"}
                                    for identity in api.containers]))
        elif inspected and inspected[1] in api.containers:
            self.answer(json.dumps(api.containers[inspected[1]]))
        else:
            self.answer("{}", 404)

    def answer(self, text, status=200):
        body = text.encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.44")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
