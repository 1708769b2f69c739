/** What may happen in a registry. `chart_*` are the legacy Helm repositories of ACR, retired in September 2025. */
export const ACTIONS = ['push', 'delete', 'quarantine', 'chart_push', 'chart_delete'] as const;

export type Action = (typeof ACTIONS)[number];

/** Kinds of manifest as the media type tells them: that of an image or an OCI chart, a list of such, a legacy chart. */
export const MANIFEST_KINDS = ['single', 'index', 'chart'] as const;

export type ManifestKind = (typeof MANIFEST_KINDS)[number];

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
  /** Absent for a push by digest and for every deletion in ACR; a CNCF registry also tells of the tags that it deletes. */
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
  readonly mediaType?: string;
  readonly manifest?: ManifestKind;
  /** Of a legacy chart: its name, and its version without the `.tgz` that some formats put behind it. */
  readonly chart?: string;
  readonly chartVersion?: string;
  /** Azure's region where it happened, e.g. `westeurope`: that of one replica. */
  readonly region?: string;
  /** The registry on premises where it happened, by its name in Azure. */
  readonly connectedRegistry?: string;
  /**
   * The registry's resource in Azure, `/subscriptions/…/registries/NAME`, as an Event Grid topic or a CloudEvents source
   * names it. Compare it without regard to case.
   */
  readonly resource?: string;
  /** RFC 3339, as the sender wrote it: 7 to 9 digits of a second, any offset. */
  readonly timestamp?: string;
}

/** An event as a record keeps it: of a dead letter not even the action need have been readable. */
export type KeptEvent = Omit<RegistryEvent, 'action'> & { readonly action: Action | 'unreadable' };

/** Whether it can be delivered at all. */
export function isRegistryEvent(event: KeptEvent): event is RegistryEvent {
  return event.action !== 'unreadable';
}
