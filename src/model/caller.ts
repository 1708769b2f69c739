import type { Action } from './registry-event.ts';

/** Who sent a webhook, and what he may speak for. */
export interface Caller {
  /** The name of the token (or of the Entra application). Ours, never the sender's: safe in a log. */
  readonly name: string;
  /** Absent: an unbound caller, who may speak for any registry. */
  readonly binding?: Binding;
}

/** What a caller is held to; an absent field holds him to nothing. */
export interface Binding {
  /** Canonical login server, in the case that events are to carry. */
  readonly registry?: string;
  /** Globs: `*` within one path segment, `**` across. */
  readonly repositories?: readonly string[];
  readonly actions?: readonly Action[];
}
