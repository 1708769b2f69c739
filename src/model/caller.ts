import type { Action } from './registry-event.ts';
import type { Registries } from './registry-name.ts';
import type { Rule } from './rule.ts';

/** Who sent a webhook, and what holds for him. */
export interface Caller {
  /** The name of the token or of the Entra application. Ours, never the sender's: safe in a log. */
  readonly name: string;
  /** He is held to every one of them. Where none names a registry he is *unbound*: he may speak for any. */
  readonly bindings?: readonly Binding[];
  /** The registries that have several names, or an ARM id. */
  readonly registries?: Registries;
  /** In order: the first that matches an event decides. */
  readonly rules?: readonly Rule[];
}

/** What a caller is held to; an absent field holds him to nothing. */
export interface Binding {
  /** Login servers, in the case that events are to carry. */
  readonly registries?: readonly string[] | undefined;
  /** Globs: `*` within one path segment, `**` across. */
  readonly repositories?: readonly string[] | undefined;
  readonly actions?: readonly Action[] | undefined;
}
