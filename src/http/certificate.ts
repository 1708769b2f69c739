import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { Fault } from '../model/fault.ts';

/** A certificate with its chain, and its private key, in PEM. */
export interface KeyPair {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** Where the certificate comes from. */
export interface CertificateSource {
  /** The newest pair, good or bad. */
  current(): KeyPair;
  onChange(listener: () => void): void;
}

/** There is no working certificate to start with. */
export class CertificateFault extends Fault {
  override readonly name = 'CertificateFault';
  readonly code = 'certificate_invalid';
}

/** The settings of a server with this pair. Throws a CertificateFault when it is no pair, before a server would get to use it. */
export function secureContextOf({ cert, key }: KeyPair): SecureContextOptions {
  // An empty one is no error to node:tls: it would serve without a certificate, and every handshake would fail.
  if (cert.length === 0 || key.length === 0) throw new CertificateFault('the certificate or its key is empty');
  const settings: SecureContextOptions = { cert, key, minVersion: 'TLSv1.2' };
  try {
    createSecureContext(settings);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CertificateFault(`the certificate and its key do not work together: ${reason}`, { cause });
  }
  return settings;
}
