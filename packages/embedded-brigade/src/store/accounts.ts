import { hash, randomInt } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { equals, inTransaction, type Page, type PageRequest, type Row, select, selectPage } from './database.ts';

/** The sender of a request. */
export interface Principal {
  readonly type: 'ROOT' | 'SERVICE_ACCOUNT';
  readonly id: string;
}

/** Which principal a token belongs to. */
export type Identity =
  | { readonly kind: 'known'; readonly principal: Principal }
  | { readonly kind: 'locked' }
  | { readonly kind: 'unknown' };

export interface ServiceAccount {
  readonly id: string;
  readonly description: string;
  /** Milliseconds since the epoch. */
  readonly created: number;
  /** When it was locked, milliseconds since the epoch; absent unless it is. */
  readonly locked?: number;
}

const ROOT: Principal = { type: 'ROOT', id: 'root' };

/** How long root stays logged in; Brigade's default. */
const ROOT_SESSION_MS = 60 * 60 * 1000;

const ACCOUNTS = { columns: '*', from: 'service_accounts', key: ['id'] };

/** Service accounts and tokens, in SQLite. Only the SHA-256 of a token is stored: the token itself cannot be read again. */
export class Accounts {
  readonly #database: DatabaseSync;
  readonly #nowMs: () => number;
  readonly #holderOf: StatementSync;
  readonly #insertToken: StatementSync;

  constructor(database: DatabaseSync, nowMs: () => number) {
    this.#database = database;
    this.#nowMs = nowMs;
    this.#holderOf = database.prepare(
      `SELECT principal_type AS type, principal_id AS id, locked FROM tokens
       LEFT JOIN service_accounts ON principal_type = 'SERVICE_ACCOUNT' AND id = principal_id
       WHERE hash = ? AND (expires IS NULL OR expires > ?)`,
    );
    this.#insertToken = database.prepare(
      'INSERT INTO tokens (hash, principal_type, principal_id, expires) VALUES (?, ?, ?, ?)',
    );
  }

  /** The token of the new service account. Undefined if the id is taken. */
  createServiceAccount(id: string, description: string): string | undefined {
    const insert = 'INSERT INTO service_accounts (id, description, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING';
    return inTransaction(this.#database, () => {
      const { changes } = this.#database.prepare(insert).run(id, description, this.#nowMs());
      return changes === 0 ? undefined : this.#newToken({ type: 'SERVICE_ACCOUNT', id }, null);
    });
  }

  serviceAccount(id: string): ServiceAccount | undefined {
    return select(this.#database, ACCOUNTS, equals('id', id)).map(accountOf)[0];
  }

  /** Ordered by id. */
  serviceAccounts(page: PageRequest): Page<ServiceAccount> {
    const { items, remaining } = selectPage(this.#database, ACCOUNTS, [], page);
    return { items: items.map(accountOf), remaining };
  }

  /** From now on its token is identified as `locked`. False if there is no such account. */
  lock(id: string): boolean {
    const lock = 'UPDATE service_accounts SET locked = ? WHERE id = ?';
    return this.#database.prepare(lock).run(this.#nowMs(), id).changes > 0;
  }

  /** Unlocks the account and replaces its token. Undefined if there is no such account. */
  renewToken(id: string): string | undefined {
    return inTransaction(this.#database, () => {
      const unlock = 'UPDATE service_accounts SET locked = NULL WHERE id = ?';
      if (this.#database.prepare(unlock).run(id).changes === 0) return undefined;
      this.#deleteTokens(id);
      return this.#newToken({ type: 'SERVICE_ACCOUNT', id }, null);
    });
  }

  /** Deletes its token and its roles too. False if there is no such account. */
  deleteServiceAccount(id: string): boolean {
    return inTransaction(this.#database, () => {
      this.#deleteTokens(id);
      this.#database
        .prepare(`DELETE FROM role_assignments WHERE principal_type = 'SERVICE_ACCOUNT' AND principal_id = ?`)
        .run(id);
      return this.#database.prepare('DELETE FROM service_accounts WHERE id = ?').run(id).changes > 0;
    });
  }

  /** A token of root, valid for an hour. */
  openRootSession(): string {
    const now = this.#nowMs();
    this.#database.prepare('DELETE FROM tokens WHERE expires <= ?').run(now);
    return this.#newToken(ROOT, now + ROOT_SESSION_MS);
  }

  /** False if the token does not belong to a session. */
  closeSession(token: string): boolean {
    const close = 'DELETE FROM tokens WHERE hash = ? AND expires IS NOT NULL';
    return this.#database.prepare(close).run(hash('sha256', token)).changes > 0;
  }

  identify(token: string): Identity {
    const row = this.#holderOf.get(hash('sha256', token), this.#nowMs());
    if (!row) return { kind: 'unknown' };
    if (row['locked'] !== null) return { kind: 'locked' };
    if (row['type'] === 'ROOT') return { kind: 'known', principal: ROOT };
    return { kind: 'known', principal: { type: 'SERVICE_ACCOUNT', id: String(row['id']) } };
  }

  #deleteTokens(id: string): void {
    this.#database.prepare(`DELETE FROM tokens WHERE principal_type = 'SERVICE_ACCOUNT' AND principal_id = ?`).run(id);
  }

  #newToken({ type, id }: Principal, expires: number | null): string {
    const token = randomToken();
    this.#insertToken.run(hash('sha256', token), type, id, expires);
    return token;
  }
}

function accountOf(row: Row): ServiceAccount {
  const { id, description, created, locked } = row;
  return {
    id: String(id),
    description: String(description),
    created: Number(created),
    ...(locked !== null && { locked: Number(locked) }),
  };
}

const TOKEN_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const TOKEN_LENGTH = 256;

function randomToken(): string {
  return Array.from({ length: TOKEN_LENGTH }, () => TOKEN_ALPHABET[randomInt(TOKEN_ALPHABET.length)]).join('');
}

/** A permission. EVENT_CREATOR is held for one `source`, the others for everything. */
export type Role =
  | { readonly role: 'EVENT_CREATOR'; readonly source: string }
  | { readonly role: 'READER' | 'ADMIN' | 'PROJECT_CREATOR' };

/** A role that was granted to a service account. */
export interface RoleAssignment {
  readonly role: string;
  readonly serviceAccount: string;
  /** The source of an EVENT_CREATOR; empty if none was given. */
  readonly scope: string;
}

const ASSIGNMENTS = {
  columns: 'role, principal_id, scope',
  from: 'role_assignments',
  key: ['principal_type', 'principal_id', 'role', 'scope'],
};

/** The roles of service accounts, in SQLite. No role implies another. Root has all of them. */
export class Roles {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Idempotent. */
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

  /** The assignments of a role, of a principal, or of both. */
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
    const { items, remaining } = selectPage(this.#database, ASSIGNMENTS, conditions, page);
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
    return select(this.#database, ASSIGNMENTS, conditions).length > 0;
  }
}
