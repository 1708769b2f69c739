/** What can happen in a registry. `chart_*` belong to ACR's legacy Helm repositories, retired in September 2025. */
export const ACTIONS = ['push', 'delete', 'quarantine', 'chart_push', 'chart_delete'] as const;

export type Action = (typeof ACTIONS)[number];

/** Kinds of manifest, by media type: one image or OCI chart, a list of them, a legacy chart. */
export const MANIFEST_KINDS = ['single', 'index', 'chart'] as const;

export type ManifestKind = (typeof MANIFEST_KINDS)[number];

/**
 * What happened in a registry, whatever the format of the webhook.
 *
 * Nothing here is trusted: every string comes from the sender. But every one is printable and at most 512 characters long, and
 * repository, tag and digest fit the OCI grammar. An absent field was absent, null or empty.
 */
export interface RegistryEvent {
  /** The event id: the sender's, or the SHA-256 (hex) of the raw event where it gave none. Stable across redeliveries. */
  readonly id: string;
  readonly action: Action;
  /** The login server, e.g. `example.azurecr.io`: as the event names it, or the caller's binding where it names none. */
  readonly registry?: string;
  /** Without the registry; may contain slashes. */
  readonly repository?: string;
  /** Absent for a push by digest and for every deletion in ACR; a CNCF registry names the tags that it deletes. */
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
  readonly mediaType?: string;
  readonly manifest?: ManifestKind;
  /** The name of a legacy chart, and its version without the `.tgz` that some formats append. */
  readonly chart?: string;
  readonly chartVersion?: string;
  /** The Azure region of the replica where it happened, e.g. `westeurope`. */
  readonly region?: string;
  /** The registry on premises where it happened, by its name in Azure. */
  readonly connectedRegistry?: string;
  /**
   * The registry's resource in Azure, `/subscriptions/…/registries/NAME`, as an Event Grid topic or a CloudEvents source
   * names it. Compare it without regard to case.
   */
  readonly resource?: string;
  /** RFC 3339, as the sender wrote it: up to 9 digits of a second, any offset. */
  readonly timestamp?: string;
}

type NameParts = Readonly<Partial<Record<'registry' | 'repository' | 'tag' | 'digest', string | undefined>>>;

/** `example.azurecr.io/hello-world:v1@sha256:…`, of the parts that are given. */
export function imageName({ registry, repository, tag, digest }: NameParts): string {
  const path = [registry, repository].filter((part) => part !== undefined).join('/');
  return `${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** An event as a record keeps it: in a dead letter even the action may have been unreadable. */
export type KeptEvent = Omit<RegistryEvent, 'action'> & { readonly action: Action | 'unreadable' };

/** Whether its action could be read: without one it cannot be delivered. */
export function isRegistryEvent(event: KeptEvent): event is RegistryEvent {
  return event.action !== 'unreadable';
}
