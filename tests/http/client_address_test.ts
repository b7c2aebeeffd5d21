// Whose request it is: what the socket says, what proxies of ours say, and what callers would like to have said.
import assert from "node:assert/strict";
import { addressGroup, clientAddress, fromConnection } from "../../src/http/client_address.ts";

function from(hostname: string, forwarded: string[] = [], trustedProxies = 0): string | null {
  const headers = new Headers(forwarded.map((value) => ["x-forwarded-for", value]));
  const request = new Request("http://localhost/", { headers });
  fromConnection(request, { remoteAddr: { transport: "tcp", hostname, port: 1 } }, trustedProxies);
  return clientAddress(request);
}

Deno.test("clientAddress() is the socket's, in one spelling", () => {
  assert.equal(from("198.51.100.1"), "198.51.100.1");
  assert.equal(from("2001:DB8:0:0:0:0:0:1"), "2001:db8::1");
  assert.equal(from("::ffff:198.51.100.1"), "198.51.100.1");
  assert.equal(from("::ffff:c633:6401"), "198.51.100.1");
  assert.equal(from("fe80::1%eth0"), "fe80::1");
});

Deno.test("clientAddress() is null where nobody told, and for a socket that has no address", () => {
  assert.equal(clientAddress(new Request("http://localhost/")), null);
  const request = new Request("http://localhost/");
  assert.equal(clientAddress(fromConnection(request, undefined, 0)), null);
  const local = fromConnection(request, { remoteAddr: { transport: "unix", path: "/run/socket" } }, 0);
  assert.equal(clientAddress(local), null);
});

Deno.test("clientAddress() takes no notice of X-Forwarded-For by default", () => {
  assert.equal(from("198.51.100.1", ["203.0.113.1"]), "198.51.100.1");
});

Deno.test("clientAddress() takes the n-th from the right behind n proxies", () => {
  assert.equal(from("10.0.0.1", ["203.0.113.1"], 1), "203.0.113.1");
  assert.equal(from("10.0.0.1", ["1.1.1.1, 203.0.113.1"], 1), "203.0.113.1");
  assert.equal(from("10.0.0.1", ["1.1.1.1, 203.0.113.1, 10.0.0.2"], 2), "203.0.113.1");
  assert.equal(from("10.0.0.1", ["1.1.1.1", "203.0.113.1 , 10.0.0.2"], 2), "203.0.113.1");
  assert.equal(from("10.0.0.1", ["2001:db8::7"], 1), "2001:db8::7");
});

Deno.test("clientAddress() falls back to the socket where the header says no address in that place", () => {
  for (
    const odd of ["", "unknown", "203.0.113.1:80", "[2001:db8::7]", "1.2.3", "01.2.3.4", "1.2.3.4 5", "for=1.2.3.4"]
  ) {
    assert.equal(from("10.0.0.1", [odd], 1), "10.0.0.1", odd);
  }
  assert.equal(from("10.0.0.1", ["203.0.113.1"], 2), "10.0.0.1", "fewer proxies than were said");
  assert.equal(from("10.0.0.1", [], 1), "10.0.0.1");
});

Deno.test("addressGroup() takes an IPv6 /64 as one, wherever its zeros are", () => {
  assert.equal(addressGroup("198.51.100.1"), "198.51.100.1");
  const groups: [string, string][] = [
    ["2001:db8:0:7::1", "2001:db8:0:7::/64"],
    ["2001:db8:0:7:ffff:ffff:ffff:ffff", "2001:db8:0:7::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:db8::7:0:0:0:1", "2001:db8:0:7::/64"],
    ["::1", "0:0:0:0::/64"],
    ["2001::", "2001:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
  ];
  for (const [address, group] of groups) {
    assert.ok(URL.canParse(`http://[${address}]`));
    assert.equal(addressGroup(address), group, address);
  }
});
