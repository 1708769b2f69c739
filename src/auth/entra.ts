import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import type { Caller } from '../model/caller.ts';
import type { EntraTenant } from '../model/policy.ts';
import type { Headers } from '../model/webhook.ts';
import type { Authentication, Authenticator } from './authenticator.ts';
import type { Callers } from './callers.ts';
import { bearerToken } from './credentials.ts';

/** How far our clock and Entra ID's may differ, seconds. */
const CLOCK_TOLERANCE_SECONDS = 60;

const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

const UNAUTHENTICATED: Authentication = { kind: 'unauthenticated' };
const UNVERIFIABLE: Authentication = { kind: 'unverifiable' };

/**
 * Authenticates callers by an access token of Entra ID, version 1 or 2, that was issued to a configured application: signed with
 * RS256 by a key of the tenant, for one of the configured audiences, by one of the tenant's issuers.
 *
 * Reads the system clock, because jose's key set does. Loads jose with the first such token, so that installations without Entra ID
 * do not pay for it.
 */
export class EntraAuthenticator implements Authenticator {
  readonly #callers: { current(): Callers };
  #verifier: { readonly of: EntraTenant; readonly ready: Promise<Verify> } | undefined;

  constructor(callers: { current(): Callers }) {
    this.#callers = callers;
  }

  async authenticate(headers: Headers): Promise<Authentication> {
    const { entra, applications } = this.#callers.current();
    const token = bearerToken(headers);
    if (entra === undefined || token === undefined || !JWT.test(token)) return UNAUTHENTICATED;
    const verify = await this.#verifierOf(entra);
    const claims = await verify(token);
    if (claims === 'unverifiable') return UNVERIFIABLE;
    if (claims === undefined) return UNAUTHENTICATED;
    const found = applications.find(
      ({ application: { id, role } }) => id === applicationIn(claims) && (role === undefined || hasRole(claims, role)),
    );
    return found === undefined ? UNAUTHENTICATED : { kind: 'caller', caller: found.caller };
  }

  callerNamed(name: string): Caller | undefined {
    return this.#callers.current().applications.find(({ caller }) => caller.name === name)?.caller;
  }

  /** Keeps the keys while the configuration of the tenant stays the same. */
  #verifierOf(entra: EntraTenant): Promise<Verify> {
    if (this.#verifier === undefined || JSON.stringify(this.#verifier.of) !== JSON.stringify(entra)) {
      this.#verifier = { of: entra, ready: createVerifier(entra) };
    }
    return this.#verifier.ready;
  }
}

/** Resolves to the claims of a valid token of the tenant, undefined for any other token. Never rejects. */
type Verify = (token: string) => Promise<JWTPayload | undefined | 'unverifiable'>;

async function createVerifier(entra: EntraTenant): Promise<Verify> {
  const jose = await import('jose');
  const keys = tenantKeys(jose, new URL(`${entra.authority}/${entra.tenant}/discovery/v2.0/keys`));
  return async (token) => {
    try {
      const { payload, protectedHeader } = await jose.jwtVerify(token, keys, {
        algorithms: ['RS256'],
        issuer: [...entra.issuers],
        audience: [...entra.audiences],
        requiredClaims: ['exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
      });
      const isOurs = protectedHeader.kid !== undefined && payload['tid'] === entra.tenant && !isOfUser(payload);
      return isOurs ? payload : undefined;
    } catch (error) {
      return error instanceof KeysUnavailable ? 'unverifiable' : undefined;
    }
  };
}

/** Such a token lets the application act for a user. An application's own token has no `scp`. */
function isOfUser(claims: JWTPayload): boolean {
  return claims['scp'] !== undefined;
}

/** Version 1 calls it `appid`, version 2 `azp`. */
function applicationIn(claims: JWTPayload): string | undefined {
  const id = claims['ver'] === '2.0' ? claims['azp'] : claims['appid'];
  return typeof id === 'string' ? id.toLowerCase() : undefined;
}

function hasRole({ roles }: JWTPayload, role: string): boolean {
  return Array.isArray(roles) && roles.includes(role);
}

/** ACR waits 5 s for its answer, and the append needs a part of that. */
const FETCH_MS = 3_000;

/** A tenant's keys take about 20 kB. */
const MAX_KEYS_BYTES = 256 * 1024;

/** Keys of this age are renewed in the background. Entra ID publishes a key days before it signs with it. */
const RENEW_MS = 3_600_000;

/** Keys that could not be renewed for so long are not trusted any more, because they may be withdrawn. */
const MAX_AGE_MS = 24 * 3_600_000;

/** After a successful fetch, for how long no token causes another one. Anyone can send a token that names an unknown key. */
const COOL_DOWN_MS = 30_000;

/** After a failed fetch, for how long no token causes another one. */
const RETRY_MS = 1_000;

/** The keys cannot be fetched, so that no signature can be checked. */
class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

/**
 * The tenant's keys: jose's own remote key set, which fetches once for many tokens and follows no redirect.
 *
 * Adds what jose does not have: a renewal in the background, a pause after a failed fetch, a cap on the bytes of an answer, and an error
 * of its own when the keys cannot be fetched.
 */
function tenantKeys(jose: typeof import('jose'), url: URL): JWTVerifyGetKey {
  let fetchedAt = Number.NEGATIVE_INFINITY;
  // A clock that is set back must not keep the keys from being fetched.
  const sinceFetchMs = () => Math.abs(Date.now() - fetchedAt);
  const keys = jose.createRemoteJWKSet(url, {
    timeoutDuration: FETCH_MS,
    cooldownDuration: COOL_DOWN_MS,
    cacheMaxAge: MAX_AGE_MS,
    [jose.customFetch]: async (resource, options) => {
      if (sinceFetchMs() < RETRY_MS) throw new Error('the keys were fetched less than a second ago');
      try {
        return await fetchCapped(resource, options);
      } finally {
        fetchedAt = Date.now();
      }
    },
  });
  const { JWKSMultipleMatchingKeys, JWKSNoMatchingKey } = jose.errors;
  return async (header, token) => {
    if (keys.fresh && !keys.reloading && sinceFetchMs() >= RENEW_MS) {
      keys.reload().catch(() => {
        // The keys are still trusted. The next try is in an hour, or with the first token that has an unknown key.
      });
    }
    try {
      return await keys(header, token);
    } catch (error) {
      if (error instanceof JWKSNoMatchingKey || error instanceof JWKSMultipleMatchingKeys) throw error;
      throw new KeysUnavailable(`no keys from ${url.href}`, { cause: error });
    }
  };
}

async function fetchCapped(url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, options);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_KEYS_BYTES) throw new Error(`the answer has more than ${MAX_KEYS_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status });
}
