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

/**
 * ECDHE with AEAD only: forward secrecy, and no padding to attack. TLS 1.3 has no other suites; those of TLS 1.2 are what Azure
 * and every supported browser and proxy offer.
 */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** The TLS settings for this pair. Throws a CertificateFault for a pair that does not work. */
export function secureContextOf({ cert, key }: KeyPair): SecureContextOptions {
  // node:tls accepts an empty certificate or key, and then every handshake fails.
  if (cert.length === 0 || key.length === 0) throw new CertificateFault('the certificate or its key is empty');
  const settings: SecureContextOptions = { cert, key, minVersion: 'TLSv1.2', ciphers: CIPHERS };
  try {
    createSecureContext(settings);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CertificateFault(`the certificate and its key do not work together: ${reason}`, { cause });
  }
  return settings;
}
