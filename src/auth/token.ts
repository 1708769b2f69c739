import { hash, timingSafeEqual } from 'node:crypto';
import type { Caller } from '../model/caller.ts';
import type { Tokens } from '../model/policy.ts';
import type { Authentication, Authenticator } from './authenticator.ts';
import { basicPassword, bearerToken, queryToken } from './credentials.ts';

const UNAUTHENTICATED: Authentication = { kind: 'unauthenticated' };

/**
 * Authenticates callers by a token of the current tokens file: in `Authorization: Bearer …`, as the password in
 * `Authorization: Basic …`, or in `?access_token=…`. One correct token is enough. When there is none, `otherwise` decides.
 */
export function tokenAuthenticator(tokens: { current(): Tokens }, otherwise?: Authenticator): Authenticator {
  return {
    authenticate: async (headers, query = '') => {
      const known = tokens.current();
      const bearer = bearerToken(headers);
      const caller =
        // node:http gives every byte of a header as one character.
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

/** Compares with every entry, also after a match, so that the time taken reveals neither the caller nor how close a guess is. */
function callerWith(token: Uint8Array | undefined, tokens: Tokens): Caller | undefined {
  if (token === undefined) return undefined;
  // Four times as fast as a hash that is returned as a buffer.
  const digest = Buffer.from(hash('sha256', token, 'hex'), 'hex');
  let found: Caller | undefined;
  for (const entry of tokens) {
    if (timingSafeEqual(entry.digest, digest)) found = entry.caller;
  }
  return found;
}
