import type { Headers } from '../model/webhook.ts';

/**
 * The token in `Authorization: Bearer …`, read as v0.4.1 did: the scheme in any case, then one space, and the rest is the token,
 * spaces included. node:http has already removed blanks at the end, and all but the first of several `Authorization` headers.
 */
export function bearerToken(headers: Headers): string | undefined {
  const { authorization } = headers;
  if (typeof authorization !== 'string') return undefined;
  return /^bearer ([^ ].*)$/i.exec(authorization)?.[1];
}

/** The bytes of the password in `Authorization: Basic …` (RFC 7617). The user name may be anything. */
export function basicPassword(headers: Headers): Uint8Array | undefined {
  const { authorization } = headers;
  if (typeof authorization !== 'string') return undefined;
  const encoded = /^basic ([\w+/-]+={0,2})$/i.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, 'base64');
  const colon = pair.indexOf(':');
  return colon === -1 ? undefined : pair.subarray(colon + 1);
}

/** The token in `?access_token=…` (RFC 6750, section 2.3). Undefined when there are several. */
export function queryToken(query: string): string | undefined {
  if (!query.includes('access_token')) return undefined;
  const [token, ...others] = new URLSearchParams(query).getAll('access_token');
  return others.length > 0 || token === '' ? undefined : token;
}
