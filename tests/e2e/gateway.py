"""A real nginx in front of a service, as deployed: it ends TLS and checks credentials."""

import pathlib
import socket
import subprocess

from harness import SERVICES, check, run, say, wait_until

USER, PASSWORD, API_KEY = "shipper", "open:sesame-4711", "a2V5LW51bWJlci00NzEx"


class Authority:
    """A certificate authority with a directory of its own."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir()
        self.ca = self.dir / "ca.pem"
        self._openssl("req", "-x509", "-subj", "/CN=authority", "-keyout", "ca.key",
                      "-out", "ca.pem", "-days", "2", *self._new_key())

    @staticmethod
    def _new_key():
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def _openssl(self, *words):
        done = subprocess.run(["openssl", *words], cwd=self.dir, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30, check=False)
        check(done.returncode == 0, f"openssl {words[0]}: {done.stderr[-1000:]}")

    def issue(self, name, alternative):
        """Certificate and key, PEM, of a server or a client."""
        (self.dir / f"{name}.ext").write_text(f"subjectAltName={alternative}\n", encoding="ascii")
        self._openssl("req", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                      "-out", f"{name}.csr", *self._new_key())
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                      "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext",
                      "-out", f"{name}.pem")
        return self.dir / f"{name}.pem", self.dir / f"{name}.key"


class Gateway:
    """Doors to one service, each at a port of its own: `url("basic")`, "key" and "certificate" ask
    for what they are named for, "misnamed" bears the certificate of another host, "moved" is plain
    http and names the door "stranger", of which no secret is to hear."""

    DOORS = ("basic", "key", "certificate", "misnamed", "moved", "stranger")

    def __init__(self, lab, service_url):
        self.dir = lab.dir / "gateway"
        self.dir.mkdir()
        self.service_url = service_url
        self.authority = Authority(self.dir / "authority")
        self.others = Authority(self.dir / "others")
        self.server = self.authority.issue("server", "IP:127.0.0.1")
        self.misnamed = self.authority.issue("misnamed", "DNS:search.example")
        self.client = self.authority.issue("client", "DNS:client")
        ports = run(SERVICES / "free_ports.py", len(self.DOORS)).stdout.split()
        self.ports = dict(zip(self.DOORS, map(int, ports)))
        self.trusted_clients = self.authority.ca
        self.set_password(PASSWORD)
        self.process = None
        lab.closers.append(self.stop)
        self.start()

    def url(self, door):
        scheme = "http" if door in ("moved", "stranger") else "https"
        return f"{scheme}://127.0.0.1:{self.ports[door]}"

    def set_password(self, password):
        """From the next request on."""
        salted = run("openssl", "passwd", "-apr1", password).stdout.strip()
        fresh = self.dir / "users.fresh"
        fresh.write_text(f"{USER}:{salted}\n", encoding="ascii")
        fresh.chmod(0o644)
        fresh.rename(self.dir / "users")

    def _door(self, door, body, certificate=None):
        tls = f"ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]};" \
            if certificate else ""
        return (f"server {{ listen 127.0.0.1:{self.ports[door]}{' ssl' if certificate else ''}; "
                f"{tls} access_log {self.dir}/{door}.log seen; {body} }}\n")

    def _config(self):
        forward = f"location / {{ proxy_pass {self.service_url}; }}"
        doors = [
            self._door("basic", f"auth_basic search; auth_basic_user_file {self.dir}/users; "
                       + forward, self.server),
            self._door("key", f'if ($http_authorization != "ApiKey {API_KEY}") {{ return 403; }} '
                       + forward, self.server),
            self._door("certificate", f"ssl_client_certificate {self.trusted_clients}; "
                       "ssl_verify_client on; " + forward, self.server),
            self._door("misnamed", forward, self.misnamed),
            self._door("moved", f"return 307 {self.url('stranger')}$request_uri;"),
            self._door("stranger", forward)]
        temporary = " ".join(f"{kind}_temp_path {self.dir}/{kind};" for kind in
                             ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # One process, which may read the lab's directory: a worker of root's would be nobody.
        return (f"daemon off; master_process off; pid {self.dir}/pid; error_log stderr warn;\n"
                "events {}\nhttp {\n"
                "log_format seen '$status $request_method $uri [$http_authorization]';\n"
                f"{temporary} client_max_body_size 64m; proxy_http_version 1.1;\n"
                f"{''.join(doors)}}}\n")

    def start(self):
        (self.dir / "nginx.conf").write_text(self._config(), encoding="ascii")
        with open(self.dir / "nginx.log", "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/nginx", "-p", str(self.dir), "-c", str(self.dir / "nginx.conf")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def serves():
            check(self.process.poll() is None,
                  f"nginx ended: {(self.dir / 'nginx.log').read_text()[-2000:]}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.ports["stranger"])) == 0
        wait_until(serves, 20, "nginx serves")
        say(f"nginx serves at {self.url('basic')} and {len(self.ports) - 1} more doors")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def seen(self, door):
        """What came there: "STATUS METHOD PATH [AUTHORIZATION]"."""
        path = self.dir / f"{door}.log"
        return path.read_text().splitlines() if path.exists() else []
