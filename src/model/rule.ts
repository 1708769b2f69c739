import type { Action, ManifestKind } from './registry-event.ts';

/** Accepts or ignores events. An absent condition matches every event; a condition on a field that an event lacks never matches. */
export interface Rule {
  /** Its name in the configuration file or, without one, its position: `rules.2`. */
  readonly name: string;
  readonly decision: 'accept' | 'ignore';
  readonly when: Conditions;
}

export interface Conditions {
  readonly actions?: readonly Action[] | undefined;
  /** Globs, matched with the canonical name. */
  readonly registries?: readonly string[] | undefined;
  readonly repositories?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly tagged?: boolean | undefined;
  readonly manifests?: readonly ManifestKind[] | undefined;
  /** Azure's names, such as `westeurope`. */
  readonly regions?: readonly string[] | undefined;
}
