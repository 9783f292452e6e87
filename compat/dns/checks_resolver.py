"""Through `unbound`, a resolver that asks label by label (RFC 9156) and believes what it is told of names
that are not there: the way machines look up names in practice."""

import pathlib
import shutil
import subprocess
import time

from cluster import free_ports
from world import check, equal, eventually

SETTINGS = """
server:
  interface: 127.0.0.1
  port: {port}
  do-daemonize: no
  use-syslog: no
  logfile: ""
  verbosity: 1
  chroot: ""
  username: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  qname-minimisation: yes
  qname-minimisation-strict: yes
  harden-below-nxdomain: yes
  aggressive-nsec: yes
  use-caps-for-id: yes
  module-config: "iterator"
  local-zone: "consul." nodefault
remote-control:
  control-enable: no
stub-zone:
  name: "consul"
{servers}
"""


class Resolver:
    def __init__(self, world):
        self.world = world
        [self.port] = free_ports(world.first_port + 40, 1)
        self.directory = pathlib.Path(world.directory) / "unbound"
        self.directory.mkdir(exist_ok=True)
        self.process = None

    def __enter__(self):
        program = shutil.which("unbound") or "/usr/sbin/unbound"
        servers = (node.dns.replace(":", "@") for node in self.world.nodes)
        servers = "\n".join(f"  stub-addr: {server}" for server in servers)
        settings = self.directory / "unbound.conf"
        settings.write_text(SETTINGS.format(port=self.port, directory=self.directory, servers=servers))
        log = (self.directory / "log").open("wb")
        self.process = subprocess.Popen([program, "-d", "-c", settings], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not self.dig("web.service.consul"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.directory / "log").read_text()[-3000:])
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)

    def run(self, *words):
        command = [self.world.dig_program, "@127.0.0.1", "-p", str(self.port), "+tries=1", "+timeout=15", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout

    def dig(self, *words):
        lines = self.run("+short", *words).split("\n")
        return sorted(line for line in lines if line and not line.startswith(";"))


@check
def a_resolver_finds_what_is_registered(world):
    with Resolver(world) as resolver:
        equal(resolver.dig("web.service.consul"), ["10.0.0.1", "10.0.0.2"])
        equal(resolver.dig("v2.web.service.consul"), ["10.0.0.2"])
        equal(resolver.dig("AAAA", "six.service.dc1.consul"), ["2001:db8::1"])
        targets = ["1 1 80 0a000001.addr.dc1.consul.", "1 7 81 0a000002.addr.dc1.consul."]
        for name in ("_web._tcp.service.consul", "_web._tcp.consul", "_web._tcp.service.dc1.consul"):
            equal(resolver.dig("SRV", name), targets, name)
        equal(resolver.dig("0a000001.addr.dc1.consul"), ["10.0.0.1"])
        equal(resolver.dig("machine.node.dc1.consul"), ["10.9.9.9"])
        equal(len(resolver.dig("large.service.consul")), 40)
        equal("NXDOMAIN" in resolver.run("none.service.consul"), True)
        # Its own words are believed for as long as it says: not at all.
        world.service("fresh", 1, "10.4.0.1", port=1)
        eventually(lambda: resolver.dig("fresh.service.consul"), ["10.4.0.1"], "found at once")
        equal("status: NOERROR" in resolver.run("AAAA", "fresh.service.consul"), True)
        world.put("/v1/agent/service/deregister/fresh-1")
        eventually(lambda: resolver.dig("fresh.service.consul"), [], "gone at once")
