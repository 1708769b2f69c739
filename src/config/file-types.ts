import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Parsed } from '../model/parsed.ts';
import { secretText } from './text-types.ts';

/** A certificate (with its chain) and its private key, both PEM. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** A file that holds one secret; blanks and newlines around it do not count. */
export function parseSecretFile(content: Uint8Array): Parsed<string> {
  const secret = secretText.parse(textOf(content).trim());
  return secret === undefined ? unfit(secretText.expected) : { kind: 'value', value: secret };
}

/** A file that holds `user:password`, given as what stands behind `Basic` (RFC 7617). */
export function parseBasicFile(content: Uint8Array): Parsed<string> {
  const secret = secretText.parse(textOf(content).trim());
  const isPair = secret !== undefined && /^[^:]*:./.test(secret);
  return isPair ? { kind: 'value', value: Buffer.from(secret).toString('base64') } : unfit('`user:password`');
}

/** A PEM bundle of one or more certificates, given as the text that it is. */
export function parseCaFile(content: Uint8Array): Parsed<string> {
  const pem = textOf(content);
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const sound = blocks.length > 0 && blocks.every((block) => attempt(() => new X509Certificate(block)) !== undefined);
  return sound ? { kind: 'value', value: pem } : unfit('one or more certificates in PEM form');
}

/** The key must be the certificate's: of two files that are replaced one after the other, no mixture is ever served. */
export function parseTlsFiles(certFile: Uint8Array, keyFile: Uint8Array): Parsed<TlsPair> {
  const pair = { cert: textOf(certFile), key: textOf(keyFile) };
  const certificate = attempt(() => new X509Certificate(pair.cert));
  if (certificate === undefined) return unfit('a certificate in PEM form');
  const key = attempt(() => createPrivateKey(pair.key));
  if (key === undefined) return unfit('a private key in PEM form, not encrypted');
  if (!certificate.checkPrivateKey(key)) return unfit('the private key of the certificate', 'the key of another one');
  // Judges the rest of the chain, and whether OpenSSL deems the key strong enough.
  const usable = attempt(() => createSecureContext(pair)) !== undefined;
  return usable ? { kind: 'value', value: pair } : unfit('a certificate chain and key that TLS accepts');
}

/** What node:crypto throws for bad PEM is told in our own words, which surely hold nothing of a key. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

function textOf(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}

function unfit(expected: string, received = 'something else'): Parsed<never> {
  return { kind: 'issues', issues: [{ path: '', expected, received }] };
}
