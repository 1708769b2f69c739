import { hash, timingSafeEqual } from 'node:crypto';
import type { Caller } from '../model/caller.ts';
import type { Tokens } from '../model/policy.ts';
import type { Authentication, Authenticator } from './authenticator.ts';
import { basicPassword, bearerToken, queryToken } from './presented.ts';

const UNAUTHENTICATED: Authentication = { kind: 'unauthenticated' };

/**
 * Knows callers by a token, always by those that are current: in `Authorization: Bearer …`, as the password of
 * `Authorization: Basic …`, or in `?access_token=…`. One of them that is right suffices; where none is, `otherwise` is asked.
 */
export function tokenAuthenticator(tokens: { current(): Tokens }, otherwise?: Authenticator): Authenticator {
  return {
    authenticate: async (headers, query = '') => {
      const known = tokens.current();
      const bearer = bearerToken(headers);
      const caller =
        // node:http gives each byte of a header as one character.
        callerWith(bearer === undefined ? undefined : Buffer.from(bearer, 'latin1'), known) ??
        callerWith(basicPassword(headers), known) ??
        callerWith(textBytes(queryToken(query)), known);
      if (caller !== undefined) return { kind: 'caller', caller };
      return otherwise === undefined ? UNAUTHENTICATED : otherwise.authenticate(headers, query);
    },
    callerNamed: (name) =>
      tokens.current().find(({ caller }) => caller.name === name)?.caller ?? otherwise?.callerNamed(name),
  };
}

function textBytes(text: string | undefined): Uint8Array | undefined {
  return text === undefined ? undefined : Buffer.from(text, 'utf8');
}

/** Compares with every entry whatever it has found, so that the time tells neither who it was nor how near a guess came. */
function callerWith(token: Uint8Array | undefined, tokens: Tokens): Caller | undefined {
  if (token === undefined) return undefined;
  // By way of hex, a hash costs a quarter of one as a buffer.
  const digest = Buffer.from(hash('sha256', token, 'hex'), 'hex');
  let found: Caller | undefined;
  for (const entry of tokens) {
    if (timingSafeEqual(entry.digest, digest)) found = entry.caller;
  }
  return found;
}
