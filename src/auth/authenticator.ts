import type { Caller } from '../model/caller.ts';
import type { Headers } from '../model/webhook.ts';

export type Authentication =
  | { readonly kind: 'caller'; readonly caller: Caller }
  /** No credentials, or wrong ones. */
  | { readonly kind: 'unauthenticated' }
  /** The credentials cannot be checked now: a key server is down. */
  | { readonly kind: 'unverifiable' };

/**
 * Finds the caller that sent a webhook.
 *
 * Every implementation promises:
 * - it reads headers and query only, so that no body is read without credentials;
 * - it compares secrets as digests, in constant time, with every entry that it has;
 * - it fails closed: anything that it does not understand is `unauthenticated`;
 * - it never throws, and gives no reason.
 */
export interface Authenticator {
  /** `query`: what follows the `?` of the request's target, as sent. */
  authenticate(headers: Headers, query?: string): Promise<Authentication>;
  /** The caller of that name as it is configured now: to redeliver an event, whose webhook was authenticated when it arrived. */
  callerNamed(name: string): Caller | undefined;
}
