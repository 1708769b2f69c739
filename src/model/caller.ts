import type { Action } from './registry-event.ts';
import type { Registries } from './registry-name.ts';
import type { Rule } from './rule.ts';

/** The authenticated sender of a webhook, and its permissions. */
export interface Caller {
  /** The name of the token or of the Entra application. It comes from our configuration: safe in a log. */
  readonly name: string;
  /** The caller must satisfy all of them. Where none names a registry it is *unbound*: it may send events of any. */
  readonly bindings?: readonly Binding[];
  /** The registries that have several names, or an ARM id. */
  readonly registries?: Registries;
  /** In order: the first that matches an event decides. */
  readonly rules?: readonly Rule[];
}

/** What events of a caller must match. An absent field allows everything. */
export interface Binding {
  /** Login servers, in the case that events shall carry. */
  readonly registries?: readonly string[] | undefined;
  /** Globs: `*` within one path segment, `**` across. */
  readonly repositories?: readonly string[] | undefined;
  readonly actions?: readonly Action[] | undefined;
}
