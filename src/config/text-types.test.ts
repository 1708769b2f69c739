import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { read, type Text } from './schema.ts';
import * as text from './text-types.ts';

/** Undefined where the text is not of the type. */
function parsedAs<T>(type: Text<T>, written: string): T | undefined {
  const parsed = read(type, written);
  return parsed.kind === 'value' ? parsed.value : undefined;
}

function assertReads<T>(type: Text<T>, readings: Readonly<Record<string, T | undefined>>): void {
  for (const [written, value] of Object.entries(readings)) {
    assert.deepEqual(parsedAs(type, written), value, `reading ${JSON.stringify(written)}`);
  }
}

describe('the types of settings', () => {
  it('a switch is written as Go’s ParseBool takes it, and in no other way', () => {
    for (const on of ['1', 't', 'T', 'TRUE', 'true', 'True']) assert.equal(parsedAs(text.bool, on), true, on);
    for (const off of ['0', 'f', 'F', 'FALSE', 'false', 'False']) assert.equal(parsedAs(text.bool, off), false, off);
    for (const other of ['yes', 'on', 'tRUE', '', '01', 'constructor'])
      assert.equal(parsedAs(text.bool, other), undefined);
  });

  it('a port is a whole number up to 65535', () => {
    assertReads(text.port, { '0': 0, '8080': 8080, '65535': 65_535, '65536': undefined, '-1': undefined });
    assertReads(text.port, { abc: undefined, '80.5': undefined, '1e3': undefined, '0x50': undefined });
  });

  it('a share is a number from 0 to 1', () => {
    assertReads(text.share, {
      '0': 0,
      '1': 1,
      '0.25': 0.25,
      '1.0': 1,
      '1.5': undefined,
      '-1': undefined,
      '.5': undefined,
    });
  });

  it('a size is in bytes or has a unit, and stays within its limits', () => {
    const size = text.byteSize({ min: '1KiB', max: '2GiB' });
    assertReads(size, {
      '1024': 1024,
      '256MiB': 268_435_456,
      '2GiB': 2_147_483_648,
      '10MB': 10_000_000,
      '2 KiB': 2048,
    });
    assertReads(size, { '1023': undefined, '3GiB': undefined, '1Mb': undefined, '1.5MiB': undefined, MiB: undefined });
    assertReads(size, { '99999999999999999999': undefined, '-5KiB': undefined });
  });

  it('a duration without a unit is in seconds', () => {
    const duration = text.duration({ max: '10m' });
    assertReads(duration, { '10': 10_000, '10s': 10_000, '500ms': 500, '2m': 120_000, '0': 0 });
    assertReads(text.duration({ max: '7d' }), { '7d': 604_800_000, '168h': 604_800_000, '8d': undefined });
    assertReads(duration, { '11m': undefined, '1h': undefined, '-1s': undefined, s: undefined });
  });

  it('an address of Brigade loses its trailing slash and has no credentials, query or fragment', () => {
    const { httpUrl } = text;
    assertReads(httpUrl, {
      'https://brigade.example/': 'https://brigade.example',
      'http://b:8080/x/': 'http://b:8080/x',
    });
    assertReads(httpUrl, { 'ftp://b': undefined, 'b:8080': undefined, 'https://u:p@b': undefined });
    assertReads(httpUrl, { 'https://b/?a=1': undefined, 'https://b/#a': undefined, 'https://': undefined });
  });

  it('an unresolved reference is not a secret', () => {
    assertReads(text.secretText, { 's3cret with spaces': 's3cret with spaces', '${TOKEN}': undefined });
    assertReads(text.secretText, { '$(TOKEN)': undefined, 'two\nlines': undefined, gehëim: undefined });
  });

  it('a journal is a file or the memory, and no file by which SQLite means something else', () => {
    assertReads<text.JournalLocation>(text.journalUrl, {
      'sqlite:./data/journal.db': { kind: 'sqlite', path: './data/journal.db' },
      'sqlite:/var/lib/journal.db': { kind: 'sqlite', path: '/var/lib/journal.db' },
      'sqlite:///var/lib/journal.db': { kind: 'sqlite', path: '/var/lib/journal.db' },
      'memory:': { kind: 'memory' },
      'postgres://u:p@db/gateway': { kind: 'postgres' },
      'sqlite:': undefined,
      'sqlite://data/journal.db': undefined,
      'sqlite::memory:': undefined,
      'sqlite:file:x?mode=memory': undefined,
      './data/journal.db': undefined,
    });
  });

  it('a trusted proxy is an address or a CIDR block', () => {
    assertReads<text.Subnet>(text.subnet, {
      '10.0.0.0/8': { address: '10.0.0.0', prefix: 8, family: 'ipv4' },
      '192.168.1.7': { address: '192.168.1.7', prefix: 32, family: 'ipv4' },
      'fd00::/8': { address: 'fd00::', prefix: 8, family: 'ipv6' },
      '10.0.0.0/33': undefined,
      '10.0.0.0/8/8': undefined,
      '10.0.0.0/': undefined,
      'proxy.example': undefined,
    });
  });

  it('an allowed host is what a Host header may hold before the port', () => {
    assertReads(text.hostHeader, { LocalHost: 'localhost', '127.0.0.1': '127.0.0.1', '[::1]': '[::1]' });
    assertReads(text.hostHeader, { '::1': undefined, 'localhost:8081': undefined, 'a b': undefined, '*': undefined });
  });

  it('a list is unfit when one of its items is', () => {
    assert.deepEqual(parsedAs(text.commaSeparated(text.port), '1, 2,3'), [1, 2, 3]);
    assert.equal(parsedAs(text.commaSeparated(text.port), '1,,3'), undefined);
    assert.deepEqual(parsedAs(text.commaSeparated(text.port), ''), []);
  });

  it('no text makes any of them throw', () => {
    const { bool, port, path, bindAddress, httpUrl, secretText, journalUrl, hostHeader, subnet } = text;
    const types = [bool, port, path, bindAddress, httpUrl, secretText, journalUrl, hostHeader, subnet];
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (written) => {
        for (const type of types) read<unknown>(type, written);
      }),
    );
  });
});
