import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { promisify } from 'node:util';
import { aServer, head, IN_ORDER, Peer, type TestServer } from '../../test/support/ingest-test-server.ts';
import { CertificateFault, type CertificateSource, type KeyPair, secureContextOf } from './certificate.ts';

const folder = mkdtempSync(join(tmpdir(), 'certificates-'));
after(() => rmSync(folder, { recursive: true }));

type KeyType = readonly ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] | readonly ['rsa:2048'];

function aPair(name: string, keyType: KeyType = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']): KeyPair {
  const key = join(folder, `${name}.key`);
  const cert = join(folder, `${name}.crt`);
  const request = ['req', '-x509', '-newkey', ...keyType, '-nodes', '-days', '1'];
  execFileSync('openssl', [...request, '-subj', `/CN=${name}`, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

const FIRST = aPair('first');
const SECOND = aPair('second');
const RSA = aPair('rsa', ['rsa:2048']);

/** A certificate source of which a test replaces the pair. */
function aSource(pair: KeyPair): CertificateSource & { readonly replace: (pair: KeyPair) => void } {
  const listeners: (() => void)[] = [];
  let current = pair;
  return {
    current: () => current,
    onChange: (listener) => listeners.push(listener),
    replace: (next) => {
      current = next;
      for (const listener of listeners) listener();
    },
  };
}

async function aTlsServer(t: TestContext, pair = FIRST) {
  const source = aSource(pair);
  const server = await aServer(t, { tls: source });
  return { server, source };
}

/** Completes a TLS handshake. */
async function handshake({ address }: TestServer, options: ConnectionOptions = {}) {
  const socket = connect({ ...address, rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'], ...options });
  await once(socket, 'secureConnect');
  const negotiated = {
    name: socket.getPeerCertificate().subject.CN,
    protocol: socket.getProtocol(),
    application: socket.alpnProtocol,
  };
  return { socket, negotiated };
}

async function nameOf(server: TestServer): Promise<unknown> {
  const { socket, negotiated } = await handshake(server);
  socket.destroy();
  return negotiated.name;
}

test('webhooks are received over TLS, and HTTP/2 is not offered', async (t) => {
  const { server } = await aTlsServer(t);
  const { socket, negotiated } = await handshake(server);
  assert.deepEqual(negotiated, { name: 'first', protocol: 'TLSv1.3', application: 'http/1.1' });
  socket.setEncoding('utf8');
  socket.end(`${head('Content-Length: 1', 'Connection: close')}a`);
  const [answer] = await once(socket, 'data');
  assert.match(answer, /^HTTP\/1.1 200 OK/);
  assert.equal(server.observed.records[0]?.remoteAddress, '127.0.0.1');
});

test('TLS 1.2 is accepted, and TLS 1.1 is rejected', async (t) => {
  const { server } = await aTlsServer(t);
  const { socket, negotiated } = await handshake(server, { maxVersion: 'TLSv1.2' });
  socket.destroy();
  assert.equal(negotiated.protocol, 'TLSv1.2');
  const old: ConnectionOptions = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
  await assert.rejects(handshake(server, old), /protocol version/);
  await server.observed.until(({ rejections }) => rejections.includes('tls-handshake-failed'));
});

/** The cipher on which openssl and the server agree. Undefined when they do not. */
async function cipherOf({ address }: TestServer, ...options: readonly string[]): Promise<string | undefined> {
  const where = ['-connect', `${address.host}:${address.port}`];
  const client = promisify(execFile)('openssl', ['s_client', ...where, ...options]);
  client.child.stdin?.end();
  const output = await client.then(
    ({ stdout }) => stdout,
    (error: { readonly stdout: string }) => error.stdout,
  );
  const cipher = /Cipher is (\S+)/.exec(output)?.[1];
  return cipher === '(NONE)' ? undefined : cipher;
}

for (const [kind, pair] of [
  ['ECDSA', FIRST],
  ['RSA', RSA],
] as const) {
  test(`with an ${kind} certificate only ECDHE with AEAD is accepted, in TLS 1.2 and 1.3`, async (t) => {
    const { server } = await aTlsServer(t, pair);
    const cipherWith = (...options: readonly string[]) => cipherOf(server, ...options);
    for (const suite of ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256']) {
      assert.equal(await cipherWith('-tls1_3', '-ciphersuites', suite), suite);
    }
    for (const suffix of ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305']) {
      const suite = `ECDHE-${kind}-${suffix}`;
      assert.equal(await cipherWith('-tls1_2', '-cipher', suite), suite);
    }
    const weak = ['AES128-GCM-SHA256', 'AES256-SHA', 'AES128-SHA256', 'DHE-RSA-AES128-GCM-SHA256'];
    for (const suite of [`ECDHE-${kind}-AES128-SHA`, `ECDHE-${kind}-AES256-SHA384`, ...weak]) {
      assert.equal(await cipherWith('-tls1_2', '-cipher', suite), undefined, suite);
    }
  });
}

test('connections over TLS have their limit, and are cut off during their handshake too', async (t) => {
  const server = await aServer(t, { tls: aSource(FIRST), limits: { ...IN_ORDER, maxConnections: 2 } });
  const { socket: first } = await handshake(server);
  const second = new Peer(server).send('\x16\x03\x01');
  const isClosed = once(first.resume(), 'close');
  const { socket: third } = await handshake(server);
  await isClosed;
  const { socket: fourth } = await handshake(server);
  await second.readAll();
  for (const socket of [third, fourth]) {
    socket.setEncoding('utf8');
    socket.write(`${head('Content-Length: 1')}a`);
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 200 OK/);
    socket.destroy();
  }
  const evictions = () => server.observed.rejections.filter((each) => each === 'too-many-connections').length;
  assert.equal(evictions(), 2);
  // Once the server has seen that they are closed, there is room again.
  for (let before = -1; before !== evictions(); await nameOf(server)) before = evictions();
});

test('a new certificate is used from the next connection on', async (t) => {
  const { server, source } = await aTlsServer(t);
  const { socket } = await handshake(server);
  source.replace(SECOND);
  assert.equal(await nameOf(server), 'second');
  assert.deepEqual(server.observed.certificates, ['reloaded']);
  socket.setEncoding('utf8');
  socket.write(head('Content-Length: 0'));
  const [answer] = await once(socket, 'data');
  assert.match(answer, /^HTTP\/1.1 200 OK/);
  socket.destroy();
  await assert.rejects(
    handshake(server, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
  );
});

const badPairs: readonly (readonly [string, KeyPair])[] = [
  ['the key of another certificate', { cert: FIRST.cert, key: SECOND.key }],
  ['garbage for a certificate', { cert: 'garbage', key: FIRST.key }],
  ['garbage for a key', { cert: FIRST.cert, key: 'garbage' }],
  ['half of a certificate', { cert: FIRST.cert.slice(0, FIRST.cert.length / 2), key: FIRST.key }],
  ['an empty certificate', { cert: '', key: FIRST.key }],
  ['an empty key', { cert: FIRST.cert, key: Buffer.alloc(0) }],
];

for (const [title, pair] of badPairs) {
  test(`${title} does not replace a working certificate`, async (t) => {
    const { server, source } = await aTlsServer(t);
    source.replace(pair);
    assert.equal(await nameOf(server), 'first');
    assert.match(server.observed.certificates.join(), /^the certificate /);
    source.replace(SECOND);
    assert.equal(await nameOf(server), 'second');
  });

  test(`${title} is a fault`, () => {
    assert.throws(() => secureContextOf(pair), CertificateFault);
  });
}

test('a server does not start with a certificate that does not work', async (t) => {
  const tls = aSource({ cert: FIRST.cert, key: SECOND.key });
  await assert.rejects(aServer(t, { tls }), { name: 'CertificateFault', code: 'certificate_invalid' });
});

test('HTTP without TLS on the TLS port is rejected', async (t) => {
  const { server } = await aTlsServer(t);
  assert.doesNotMatch(await new Peer(server).send(head('Content-Length: 0')).readAll(), /200/);
  assert.deepEqual(server.observed.rejections, ['tls-handshake-failed']);
});

test('a handshake that takes too long is cut off', async (t) => {
  const server = await aServer(t, { tls: aSource(FIRST), limits: { headersTimeoutMs: 20 } });
  await new Peer(server).readAll();
  assert.deepEqual(server.observed.rejections, ['tls-handshake-failed']);
});

test('closing cuts off a handshake that is under way', async (t) => {
  const { server } = await aTlsServer(t);
  const peer = new Peer(server).send('\x16\x03\x01');
  await once(peer.socket, 'connect');
  await nameOf(server);
  await server.close(1);
  await peer.readAll();
});

test('closing does not wait for an idle TLS connection', async (t) => {
  const { server } = await aTlsServer(t);
  const { socket } = await handshake(server);
  socket.write(head('Content-Length: 0'));
  await once(socket, 'data');
  await server.close(60_000);
});
