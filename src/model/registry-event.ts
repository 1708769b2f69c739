/** What may happen in a registry. `chart_*` are the legacy Helm repositories of ACR, retired in September 2025. */
export const ACTIONS = ['push', 'delete', 'quarantine', 'chart_push', 'chart_delete'] as const;

export type Action = (typeof ACTIONS)[number];

/**
 * What happened in a registry, whatever the format that told of it.
 *
 * Nothing here is trusted: every string is the sender's, of any length that a body may have, with any character.
 * An absent field was absent, null or empty.
 */
export interface RegistryEvent {
  /** The event id: the sender's, or the SHA-256 (hex) of the raw event where it gave none. Stable across redeliveries. */
  readonly id: string;
  readonly action: Action;
  /** The login server, e.g. `example.azurecr.io`: as the event names it, or the caller's binding where it names none. */
  readonly registry?: string;
  /** Without the registry; may hold slashes. */
  readonly repository?: string;
  /** Absent for a push by digest and for every deletion. */
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
  readonly mediaType?: string;
  /** RFC 3339, as the sender wrote it: 7 to 9 digits of a second, any offset. */
  readonly timestamp?: string;
}
