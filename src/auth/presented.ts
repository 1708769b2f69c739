import type { Headers } from '../model/webhook.ts';

/**
 * The token in `Authorization: Bearer …`, as v0.4.1 read it: the scheme in any case, one space, and all the rest is the
 * token, also with spaces in it. Blanks at the end are gone already, and so are all but the first of several
 * `Authorization` headers: node:http sees to both.
 */
export function bearerToken(headers: Headers): string | undefined {
  const { authorization } = headers;
  if (typeof authorization !== 'string') return undefined;
  return /^bearer ([^ ].*)$/i.exec(authorization)?.[1];
}

/** The password of `Authorization: Basic …`, in bytes; the user name is anybody's (RFC 7617). */
export function basicPassword(headers: Headers): Uint8Array | undefined {
  const { authorization } = headers;
  if (typeof authorization !== 'string') return undefined;
  const encoded = /^basic ([\w+/-]+={0,2})$/i.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, 'base64');
  const colon = pair.indexOf(':');
  return colon === -1 ? undefined : pair.subarray(colon + 1);
}

/** The token in `?access_token=…` (RFC 6750, section 2.3). None where there are several. */
export function queryToken(query: string): string | undefined {
  if (!query.includes('access_token')) return undefined;
  const [token, ...others] = new URLSearchParams(query).getAll('access_token');
  return others.length > 0 || token === '' ? undefined : token;
}
