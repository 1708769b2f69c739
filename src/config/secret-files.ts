import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import * as v from 'valibot';
import type { Parsed } from '../model/parsed.ts';
import { notesOf } from './schema.ts';
import { secretText } from './text-types.ts';

/** A certificate (with its chain) and its private key, both PEM. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** A file that holds one secret; blanks and newlines around it do not count. */
export function parseSecretFile(content: Uint8Array): Parsed<string> {
  const secret = secretIn(content);
  return secret === undefined ? invalid(notesOf(secretText).expected) : { kind: 'value', value: secret };
}

/** A file that holds `user:password`, returned as the credentials after `Basic` (RFC 7617). */
export function parseBasicFile(content: Uint8Array): Parsed<string> {
  const secret = secretIn(content);
  const isPair = secret !== undefined && /^[^:]*:./.test(secret);
  return isPair ? { kind: 'value', value: Buffer.from(secret).toString('base64') } : invalid('`user:password`');
}

/** A PEM bundle of one or more certificates, returned as the text that it is. */
export function parseCaFile(content: Uint8Array): Parsed<string> {
  const pem = textOf(content);
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const isValid = blocks.length > 0 && blocks.every((block) => attempt(() => new X509Certificate(block)) !== undefined);
  return isValid ? { kind: 'value', value: pem } : invalid('one or more certificates in PEM form');
}

/** The key must be the certificate's: of two files that are replaced one after the other, no mixture is ever served. */
export function parseTlsFiles(certFile: Uint8Array, keyFile: Uint8Array): Parsed<TlsPair> {
  const pair = { cert: textOf(certFile), key: textOf(keyFile) };
  const certificate = attempt(() => new X509Certificate(pair.cert));
  if (certificate === undefined) return invalid('a certificate in PEM form');
  const key = attempt(() => createPrivateKey(pair.key));
  if (key === undefined) return invalid('a private key in PEM form, not encrypted');
  if (!certificate.checkPrivateKey(key)) return invalid('the private key of the certificate');
  // Checks the rest of the chain, and whether OpenSSL accepts the strength of the key.
  const isUsable = attempt(() => createSecureContext(pair)) !== undefined;
  const expiresAt = certificate.validToDate.getTime();
  return isUsable
    ? { kind: 'value', value: { ...pair, expiresAt } }
    : invalid('a certificate chain and key that TLS accepts');
}

function secretIn(content: Uint8Array): string | undefined {
  const { success, output } = v.safeParse(secretText, textOf(content).trim());
  return success ? output : undefined;
}

/** The error of node:crypto is dropped: its message could quote a key. */
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

function invalid(expected: string): Parsed<never> {
  return { kind: 'issues', issues: [{ path: '', message: `must be ${expected}` }] };
}
