import { hash, timingSafeEqual } from 'node:crypto';
import type { Caller } from '../model/caller.ts';
import type { Headers } from '../model/webhook.ts';
import type { Authentication, Authenticator } from './authenticator.ts';
import type { Tokens } from './tokens-file.ts';

const UNAUTHENTICATED: Authentication = { kind: 'unauthenticated' };

/** Knows callers by the token in `Authorization: Bearer …`, and always by the tokens that are current. */
export function tokenAuthenticator(tokens: { current(): Tokens }): Authenticator {
  return {
    authenticate: async (headers) => {
      const token = bearerOf(headers);
      const caller = token === undefined ? undefined : callerWith(token, tokens.current());
      return caller === undefined ? UNAUTHENTICATED : { kind: 'caller', caller };
    },
    callerNamed: (name) => tokens.current().find(({ caller }) => caller.name === name)?.caller,
  };
}

/**
 * As v0.4.1 read it: the scheme in any case, one space, and all the rest is the token, also with spaces in it. Blanks at
 * the end are gone already, and so are all but the first of several `Authorization` headers: node:http sees to both.
 */
function bearerOf(headers: Headers): string | undefined {
  const { authorization } = headers;
  if (typeof authorization !== 'string') return undefined;
  return /^bearer ([^ ].*)$/i.exec(authorization)?.[1];
}

/** Compares with every entry whatever it has found, so that the time tells neither who it was nor how near a guess came. */
function callerWith(token: string, tokens: Tokens): Caller | undefined {
  // node:http gives each byte of a header as one character. By way of hex, a hash costs a quarter of one as a buffer.
  const digest = Buffer.from(hash('sha256', Buffer.from(token, 'latin1'), 'hex'), 'hex');
  let found: Caller | undefined;
  for (const entry of tokens) {
    if (timingSafeEqual(entry.digest, digest)) found = entry.caller;
  }
  return found;
}
