import type { Binding, Caller } from './caller.ts';
import type { NamedRegistry } from './registry-name.ts';
import type { Rule } from './rule.ts';

/** The callers of the tokens file. Holds no token. Empty: no token is accepted. */
export type Tokens = readonly TokenEntry[];

interface TokenEntry {
  readonly caller: Caller;
  /** The SHA-256 of its token. */
  readonly digest: Uint8Array;
}

/** The permissions in the configuration file; they may change while the gateway runs. */
export interface Policy {
  readonly registries: readonly NamedRegistry[];
  readonly callers: readonly CallerPolicy[];
  /** For every caller, after its own. */
  readonly rules: readonly Rule[];
  /** Absent: no token of Entra ID is accepted. */
  readonly entra?: EntraTenant | undefined;
}

/** The permissions of one caller. Those in the tokens file hold as well. */
export interface CallerPolicy {
  readonly name: string;
  /** The application of Entra ID that the caller is. Absent: it has a token in the tokens file. */
  readonly application?: EntraApplication | undefined;
  readonly binding?: Binding | undefined;
  readonly rules: readonly Rule[];
}

export interface EntraApplication {
  /** In lower case. */
  readonly id: string;
  /** A role that its token must have. */
  readonly role?: string | undefined;
}

/** The tenant whose tokens are accepted. */
export interface EntraTenant {
  /** A GUID, in lower case. */
  readonly tenant: string;
  /** At least one. */
  readonly audiences: readonly string[];
  /** Where the tenant's keys are, without a slash at the end: `https://login.microsoftonline.com`. */
  readonly authority: string;
  /** As the tokens name them. */
  readonly issuers: readonly string[];
}

export const NO_POLICY: Policy = { registries: [], callers: [], rules: [] };
