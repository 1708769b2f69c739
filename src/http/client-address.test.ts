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

test('nobody is believed when no proxy is trusted', () => {
  assert.equal(client([], '10.0.0.1', '203.0.113.9'), undefined);
});

test('a stranger is not believed', () => {
  assert.equal(client(['10.0.0.0/8'], '192.0.2.1', '203.0.113.9'), undefined);
});

test('a trusted proxy is believed', () => {
  assert.equal(client(['10.0.0.1'], '10.0.0.1', '203.0.113.9'), '203.0.113.9');
});

test('a trusted range is believed', () => {
  assert.equal(client(['10.0.0.0/8'], '10.1.2.3', '203.0.113.9'), '203.0.113.9');
});

test('an IPv6 proxy is believed', () => {
  assert.equal(client(['fd00::/8'], 'fd00::1', '2001:db8::9'), '2001:db8::9');
});

test('an IPv4 peer on a dual-stack socket is the IPv4 proxy that is trusted', () => {
  assert.equal(client(['10.0.0.0/8'], '::ffff:10.0.0.1', '203.0.113.9'), '203.0.113.9');
});

test('a mapped IPv4 hop is written plainly', () => {
  assert.equal(client(['10.0.0.1'], '10.0.0.1', '::ffff:203.0.113.9'), '203.0.113.9');
});

test('what the sender wrote himself is not believed', () => {
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', '198.51.100.1, 203.0.113.9'), '203.0.113.9');
});

test('the chain is followed through every trusted proxy', () => {
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', '198.51.100.1, 203.0.113.9, 10.0.0.3, 10.0.0.2'), '203.0.113.9');
});

test('a sender within the trusted range is the leftmost hop', () => {
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', '10.0.0.3, 10.0.0.2'), '10.0.0.3');
});

test('what is no address ends the chain', () => {
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', '203.0.113.9, <script>, 10.0.0.2'), '10.0.0.2');
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', 'unknown'), undefined);
});

test('the ports that some proxies append are left out', () => {
  assert.equal(client(['10.0.0.1'], '10.0.0.1', '203.0.113.9:4711'), '203.0.113.9');
  assert.equal(client(['10.0.0.1'], '10.0.0.1', '[2001:db8::9]:4711'), '2001:db8::9');
});

test('a trusted proxy that tells nothing leaves the client unknown', () => {
  assert.equal(client(['10.0.0.1'], '10.0.0.1'), undefined);
});

test('of a chain longer than any real one the right end alone is looked at', () => {
  assert.equal(client(['10.0.0.0/8'], '10.0.0.1', `203.0.113.9, ${'10.0.0.2, '.repeat(99)}10.0.0.3`), '10.0.0.2');
});
