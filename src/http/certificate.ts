import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { Fault } from '../model/fault.ts';

/** A certificate with its chain, and its private key, in PEM. */
export interface KeyPair {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** Where the certificate comes from. */
export interface CertificateSource {
  /** The newest pair, which may not work. */
  current(): KeyPair;
  onChange(listener: () => void): void;
}

/** The certificate or its key does not work. */
export class CertificateFault extends Fault {
  override readonly name = 'CertificateFault';
  readonly code = 'certificate_invalid';
}

/** The TLS settings for this pair. Throws a CertificateFault for a pair that does not work. */
export function secureContextOf({ cert, key }: KeyPair): SecureContextOptions {
  // node:tls accepts an empty certificate or key, and then every handshake fails.
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
