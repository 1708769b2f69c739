import type { DatabaseSync } from 'node:sqlite';
import type { Principal } from './accounts.ts';
import { equals, type Page, type PageRequest, select, selectPage } from './select.ts';

/** What it takes to do something. EVENT_CREATOR is held for one `source`, the others for everything. */
export type Role =
  | { readonly role: 'EVENT_CREATOR'; readonly source: string }
  | { readonly role: 'READER' | 'ADMIN' | 'PROJECT_CREATOR' };

/** A role of a service account, as it was granted. */
export interface RoleAssignment {
  readonly role: string;
  readonly serviceAccount: string;
  /** The source for which an EVENT_CREATOR is one; empty where none was given. */
  readonly scope: string;
}

const TABLE = {
  columns: 'role, principal_id, scope',
  from: 'role_assignments',
  key: ['principal_type', 'principal_id', 'role', 'scope'],
};

/** Who holds which role, in SQLite. No role implies another, but root may do all that they may. */
export class Roles {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Granting twice is granting once. */
  grant({ role, serviceAccount, scope }: RoleAssignment): void {
    this.#database
      .prepare(
        `INSERT INTO role_assignments (role, principal_type, principal_id, scope) VALUES (?, 'SERVICE_ACCOUNT', ?, ?)
         ON CONFLICT DO NOTHING`,
      )
      .run(role, serviceAccount, scope);
  }

  revoke({ role, serviceAccount, scope }: RoleAssignment): void {
    this.#database
      .prepare(
        `DELETE FROM role_assignments
         WHERE role = ? AND principal_type = 'SERVICE_ACCOUNT' AND principal_id = ? AND scope = ?`,
      )
      .run(role, serviceAccount, scope);
  }

  /** Those of one role or of one principal, where given. */
  list(
    selector: { readonly role?: string; readonly principal?: { readonly type: string; readonly id: string } },
    page: PageRequest,
  ): Page<RoleAssignment> {
    const { role, principal } = selector;
    const conditions = [
      ...equals('role', role),
      ...equals('principal_type', principal?.type),
      ...equals('principal_id', principal?.id),
    ];
    const { items, remaining } = selectPage(this.#database, TABLE, conditions, page);
    return {
      items: items.map((row) => ({
        role: String(row['role']),
        serviceAccount: String(row['principal_id']),
        scope: String(row['scope']),
      })),
      remaining,
    };
  }

  holds(principal: Principal, role: Role): boolean {
    if (principal.type === 'ROOT') return true;
    const conditions = [
      ...equals('role', role.role),
      ...equals('principal_type', principal.type),
      ...equals('principal_id', principal.id),
      ...equals('scope', role.role === 'EVENT_CREATOR' ? role.source : ''),
    ];
    return select(this.#database, TABLE, conditions).length > 0;
  }
}
