/** The API version of Brigade 2, which stands in every body. */
export const API_VERSION = 'brigade.sh/v2';

/** An event as a client posts it to `/v2/events`. The fields stand in the order in which Brigade's own SDK writes them. */
export interface BrigadeEvent {
  readonly kind: 'Event';
  readonly apiVersion: typeof API_VERSION;
  readonly metadata: Readonly<Record<string, never>>;
  /** Limits the event to one project. That project still has to be subscribed. */
  readonly projectID?: string;
  readonly source: string;
  readonly type: string;
  readonly qualifiers?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** At most 50 characters. */
  readonly shortTitle?: string;
  /** At most 100 characters. */
  readonly longTitle?: string;
  readonly payload?: string;
  readonly sourceState?: { readonly state: Readonly<Record<string, string>> };
}

/** Which events a project gets. */
export interface Subscription {
  readonly source: string;
  /** `*` stands for every type. */
  readonly types: readonly string[];
  readonly qualifiers?: Readonly<Record<string, string>> | null;
  readonly labels?: Readonly<Record<string, string>> | null;
}
