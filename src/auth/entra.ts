import type { JWTPayload } from 'jose';
import type { Caller } from '../model/caller.ts';
import type { EntraTenant } from '../model/policy.ts';
import type { Headers } from '../model/webhook.ts';
import type { Authentication, Authenticator } from './authenticator.ts';
import type { Callers } from './callers.ts';
import { KeySet, KeysUnavailable } from './key-set.ts';
import { bearerToken } from './presented.ts';

/** How far our clock and Entra ID's may be apart, seconds. */
const CLOCK_TOLERANCE_SECONDS = 60;

const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

const UNAUTHENTICATED: Authentication = { kind: 'unauthenticated' };
const UNDECIDABLE: Authentication = { kind: 'unverifiable' };

/**
 * Knows callers by an access token of Entra ID, version 1 or 2, issued to an application that is configured: signed with
 * RS256 by a key of the tenant, for one of our audiences, by the tenant's own name. jose is loaded with the first such
 * token: who does not use Entra ID does not pay for it.
 */
export class EntraAuthenticator implements Authenticator {
  readonly #callers: { current(): Callers };
  readonly #now: () => number;
  #judge: { readonly of: EntraTenant; readonly ready: Promise<Judge> } | undefined;

  /** `now`: epoch milliseconds. */
  constructor(callers: { current(): Callers }, now: () => number) {
    this.#callers = callers;
    this.#now = now;
  }

  async authenticate(headers: Headers): Promise<Authentication> {
    const { entra, applications } = this.#callers.current();
    const token = bearerToken(headers);
    if (entra === undefined || token === undefined || !JWT.test(token)) return UNAUTHENTICATED;
    const judge = await this.#judgeFor(entra);
    const claims = await judge(token);
    if (claims === 'unverifiable') return UNDECIDABLE;
    if (claims === undefined) return UNAUTHENTICATED;
    const found = applications.find(
      ({ application: { id, role } }) => id === applicationIn(claims) && (role === undefined || hasRole(claims, role)),
    );
    return found === undefined ? UNAUTHENTICATED : { kind: 'caller', caller: found.caller };
  }

  callerNamed(name: string): Caller | undefined {
    return this.#callers.current().applications.find(({ caller }) => caller.name === name)?.caller;
  }

  /** Keeps the keys as long as what is configured of the tenant stays the same. */
  #judgeFor(entra: EntraTenant): Promise<Judge> {
    if (this.#judge === undefined || JSON.stringify(this.#judge.of) !== JSON.stringify(entra)) {
      this.#judge = { of: entra, ready: createJudge(entra, this.#now) };
    }
    return this.#judge.ready;
  }
}

/** Resolves to the claims of a token that is sound in itself. Never rejects. */
type Judge = (token: string) => Promise<JWTPayload | undefined | 'unverifiable'>;

async function createJudge(entra: EntraTenant, now: () => number): Promise<Judge> {
  const jose = await import('jose');
  const url = `${entra.authority}/${entra.tenant}/discovery/v2.0/keys`;
  const keys = new KeySet({ url, jose, now });
  return async (token) => {
    try {
      const { payload, protectedHeader } = await jose.jwtVerify(token, keys.find, {
        algorithms: ['RS256'],
        issuer: [...entra.issuers],
        audience: [...entra.audiences],
        requiredClaims: ['exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(now()),
      });
      const isOurs = protectedHeader.kid !== undefined && payload['tid'] === entra.tenant && !isOfUser(payload);
      return isOurs ? payload : undefined;
    } catch (error) {
      return error instanceof KeysUnavailable ? 'unverifiable' : undefined;
    }
  };
}

/** A user's token says what the application may do in his name; an application's own says nothing of the kind. */
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
