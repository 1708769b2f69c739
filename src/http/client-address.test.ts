import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AddressRange, networkOf, TrustedProxies } from './client-address.ts';

function range(text: string): AddressRange {
  const [address = '', prefix] = text.split('/');
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  return { address, family, prefix: Number(prefix ?? (family === 'ipv6' ? 128 : 32)) };
}

function client(trusted: readonly string[], peer: string, forwarded?: string): string | undefined {
  return new TrustedProxies(trusted.map(range)).clientOf(peer, { 'x-forwarded-for': forwarded });
}

test('X-Forwarded-For is not believed when no proxy is trusted', () => {
  assert.equal(client([], '10.0.0.1', '203.0.113.9'), undefined);
});

test('X-Forwarded-For of a peer that is not a trusted proxy is not believed', () => {
  assert.equal(client(['10.0.0.0/8'], '192.0.2.1', '203.0.113.9'), undefined);
});

test('a trusted proxy is believed', () => {
  assert.equal(client(['10.0.0.1'], '10.0.0.1', '203.0.113.9'), '203.0.113.9');
});

test('a trusted range is believed', () => {
  assert.equal(client(['10.0.0.0/8'], '10.1.2.3', '203.0.113.9'), '203.0.113.9');
});

test('a trusted IPv6 proxy is believed', () => {
  assert.equal(client(['fd00::/8'], 'fd00::1', '2001:db8::9'), '2001:db8::9');
});

test('a trusted IPv4 proxy is recognized on a dual-stack socket', () => {
  assert.equal(client(['10.0.0.0/8'], '::ffff:10.0.0.1', '203.0.113.9'), '203.0.113.9');
});

test('an IPv4 address mapped to IPv6 is written as IPv4', () => {
  assert.equal(client(['10.0.0.1'], '10.0.0.1', '::ffff:203.0.113.9'), '203.0.113.9');
});

test('an entry that the client wrote itself is not believed', () => {
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', '198.51.100.1, 203.0.113.9'), '203.0.113.9');
});

test('the chain is followed through every trusted proxy', () => {
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', '198.51.100.1, 203.0.113.9, 10.0.0.3, 10.0.0.2'), '203.0.113.9');
});

test('a client inside the trusted range is the leftmost address', () => {
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', '10.0.0.3, 10.0.0.2'), '10.0.0.3');
});

test('the chain ends at an entry that is not an address', () => {
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', '203.0.113.9, <script>, 10.0.0.2'), '10.0.0.2');
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', 'unknown'), undefined);
});

test('the port that some proxies append is left out', () => {
  assert.equal(client(['10.0.0.1'], '10.0.0.1', '203.0.113.9:4711'), '203.0.113.9');
  assert.equal(client(['10.0.0.1'], '10.0.0.1', '[2001:db8::9]:4711'), '2001:db8::9');
});

test('the client is unknown when a trusted proxy sends no X-Forwarded-For', () => {
  assert.equal(client(['10.0.0.1'], '10.0.0.1'), undefined);
});

test('only the right end of a very long chain is read', () => {
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', `203.0.113.9, ${'10.0.0.2, '.repeat(99)}10.0.0.3`), '10.0.0.2');
});

const networks: readonly (readonly [address: string | undefined, network: string])[] = [
  ['203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:DB8:0001:0002::6', '2001:db8:1:2'],
  ['2001:db8:1:3::6', '2001:db8:1:3'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['2001:db8:0:0:1::', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['64:ff9b::203.0.113.9', '64:ff9b:0:0'],
  [undefined, ''],
];

for (const [address, network] of networks) {
  test(`${address} counts as ${network}`, () => {
    assert.equal(networkOf(address), network);
  });
}

test('a peer is a trusted proxy by the ranges alone', () => {
  const proxies = new TrustedProxies([range('10.0.0.0/8')]);
  assert.deepEqual(
    ['10.0.0.1', '::ffff:10.0.0.1', '192.0.2.1', undefined].map((peer) => proxies.trusts(peer)),
    [true, true, false, false],
  );
});
