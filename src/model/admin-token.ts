/** What the holder of an admin token may do: look at everything, or change it too. */
export const ROLES = ['read', 'operate'] as const;

export type Role = (typeof ROLES)[number];

export interface AdminToken {
  /** Stands in the log beside every change. */
  readonly name: string;
  readonly role: Role;
  /** The SHA-256 of the token. */
  readonly digest: Uint8Array;
}

/** The name of the token in `ADMIN_TOKEN`, whose role is `operate`. */
export const ADMIN_TOKEN_NAME = 'admin';
