import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AddressRange, TrustedProxies } from './client-address.ts';

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
