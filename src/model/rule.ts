import type { Action, ManifestKind } from './registry-event.ts';

/** Which events start something. A condition that is absent holds for every event, one on what an event lacks for none. */
export interface Rule {
  /** Its own name or, where it has none, its place: `rules.2`. */
  readonly name: string;
  readonly decision: 'accept' | 'ignore';
  readonly when: Conditions;
}

export interface Conditions {
  readonly actions?: readonly Action[] | undefined;
  /** Globs, on the canonical name. */
  readonly registries?: readonly string[] | undefined;
  readonly repositories?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly tagged?: boolean | undefined;
  readonly manifests?: readonly ManifestKind[] | undefined;
  /** Azure's names, such as `westeurope`. */
  readonly regions?: readonly string[] | undefined;
}
