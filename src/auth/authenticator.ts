import type { Caller } from '../model/caller.ts';
import type { Headers } from '../model/webhook.ts';

export type Authentication =
  | { readonly kind: 'caller'; readonly caller: Caller }
  /** Judged wrong: no credentials, or none that we know. */
  | { readonly kind: 'unauthenticated' }
  /** They cannot be judged now (a key server is down). */
  | { readonly kind: 'unverifiable' };

/**
 * Says who sent a webhook.
 *
 * Every implementation promises:
 * - it looks at headers and query alone, so that no byte of a body is read for a stranger;
 * - it compares secrets as digests, in constant time, over all that it knows;
 * - it fails closed: what it does not understand is `unauthenticated`;
 * - it never throws, and never tells why.
 */
export interface Authenticator {
  /** `query`: what stands behind the `?` of the address that was called, as sent. */
  authenticate(headers: Headers, query?: string): Promise<Authentication>;
  /** The caller of that name as configured now: for replaying a webhook that was authenticated when it came. */
  callerNamed(name: string): Caller | undefined;
}
