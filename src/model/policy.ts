import type { Binding } from './caller.ts';
import type { NamedRegistry } from './registry-name.ts';
import type { Rule } from './rule.ts';

/** What the configuration file says of who may send what; it may change while the gateway runs. */
export interface Policy {
  readonly registries: readonly NamedRegistry[];
  readonly callers: readonly CallerPolicy[];
  /** For every caller, after his own. */
  readonly rules: readonly Rule[];
  /** Absent: no token of Entra ID is known. */
  readonly entra?: EntraTenant | undefined;
}

/** What is said of one caller, beside what the tokens file says. */
export interface CallerPolicy {
  readonly name: string;
  /** He proves to be this application of Entra ID. Absent: he has a token in the tokens file. */
  readonly application?: EntraApplication | undefined;
  readonly binding?: Binding | undefined;
  readonly rules: readonly Rule[];
}

export interface EntraApplication {
  /** In lower case. */
  readonly id: string;
  /** What has to be among the roles of its token. */
  readonly role?: string | undefined;
}

/** Whose tokens are believed. */
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
