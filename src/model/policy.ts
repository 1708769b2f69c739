import type { Binding } from './caller.ts';
import type { NamedRegistry } from './registry-name.ts';
import type { Rule } from './rule.ts';

/** The part of the configuration file that says who may send what. It may change while the gateway runs. */
export interface Policy {
  readonly registries: readonly NamedRegistry[];
  readonly callers: readonly CallerPolicy[];
  /** They hold for every caller, after the caller's own. */
  readonly rules: readonly Rule[];
  /** Absent: no token of Entra ID is accepted. */
  readonly entra?: EntraTenant | undefined;
}

/** What the configuration file adds to one caller of the tokens file, or a caller of Entra ID. */
export interface CallerPolicy {
  readonly name: string;
  /** The caller authenticates as this application of Entra ID. Absent: it has a token in the tokens file. */
  readonly application?: EntraApplication | undefined;
  readonly binding?: Binding | undefined;
  readonly rules: readonly Rule[];
}

export interface EntraApplication {
  /** In lower case. */
  readonly id: string;
  /** A role that its token must contain. */
  readonly role?: string | undefined;
}

/** The Entra tenant whose tokens are accepted. */
export interface EntraTenant {
  /** A GUID, in lower case. */
  readonly tenant: string;
  /** At least one. */
  readonly audiences: readonly string[];
  /** The address of the tenant's keys, without a final slash: `https://login.microsoftonline.com`. */
  readonly authority: string;
  /** The accepted values of the claim `iss`. */
  readonly issuers: readonly string[];
}

export const NO_POLICY: Policy = { registries: [], callers: [], rules: [] };
