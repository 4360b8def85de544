"""nginx, which keeps writing to a renamed file until USR1 (from Debian)."""

import http.client
import os
import signal
import socket
import subprocess
import urllib.parse

import harness
from rotation_zoo.rotator import Rotator

CONF = """
daemon off; pid {side}/pid; error_log {side}/error.log; worker_processes 1; user root;
events {{ worker_connections 64; }}
http {{
  log_format plain $arg_line;
  access_log {folder}/app.log plain;
  client_body_temp_path {side}/t1; proxy_temp_path {side}/t2; fastcgi_temp_path {side}/t3;
  uwsgi_temp_path {side}/t4; scgi_temp_path {side}/t5;
  keepalive_requests 100000;
  server {{ listen unix:{side}/sock; location / {{ return 204; }} }}
}}
"""


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Nginx(Rotator):
    name = "nginx-USR1"

    def open(self):
        self.side = self.folder.parent / f"{self.name}-side"
        self.side.mkdir()
        conf = self.side / "conf"
        conf.write_text(CONF.format(side=self.side, folder=self.folder))
        with open(self.side / "stderr", "wb") as trouble:
            self.process = subprocess.Popen(["nginx", "-c", conf, "-e", self.side / "error.log"],
                                            stdin=subprocess.DEVNULL, stderr=trouble)
        harness.wait_until((self.side / "sock").exists, 20, "nginx listens", pause=0.01)

    def close(self):
        self.process.terminate()
        self.process.wait(20)

    def put(self, texts):
        connection = Connection(self.side / "sock")
        for text in texts:
            connection.request("GET", "/?line=" + text.replace(" ", "_"))
            connection.getresponse().read()
        connection.close()

    def written(self):
        return [urllib.parse.quote(line.replace(" ", "_")) for line in self.lines]

    def turn(self):
        path = self.folder / "app.log"
        for i in range(30, 0, -1):
            older = path.with_name(f"app.log.{i}")
            if older.exists():
                older.rename(path.with_name(f"app.log.{i + 1}"))
        path.rename(path.with_name("app.log.1"))
        self.write(3)
        os.kill(self.process.pid, signal.SIGUSR1)
        # The master creates the file; the worker changes to it a moment later.
        harness.wait_until(path.exists, 20, "nginx opens a new log", pause=0.002)
        self.write(3)


ALL = (Nginx,)
