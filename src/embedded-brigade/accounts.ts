import { hash, randomInt } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { inTransaction } from './database.ts';

/** Who makes a request. */
export interface Principal {
  readonly type: 'ROOT' | 'SERVICE_ACCOUNT';
  readonly id: string;
}

/** EVENT_CREATOR is held for one `source`, the others for everything. Root may do all that they may. */
export type Role =
  | { readonly role: 'EVENT_CREATOR'; readonly source: string }
  | { readonly role: 'READER' | 'ADMIN' | 'PROJECT_CREATOR' };

const ROOT: Principal = { type: 'ROOT', id: 'root' };

/** Brigade's own: how long root stays logged in. */
const ROOT_SESSION_MS = 60 * 60 * 1000;

/** Service accounts, tokens and roles, in SQLite. Of a token the SHA-256 alone is kept: nobody can read it again. */
export class Accounts {
  readonly #database: DatabaseSync;
  readonly #nowMs: () => number;
  readonly #principalOf: StatementSync;
  readonly #insertToken: StatementSync;

  constructor(database: DatabaseSync, nowMs: () => number) {
    this.#database = database;
    this.#nowMs = nowMs;
    this.#principalOf = database.prepare(
      'SELECT principal_type, principal_id FROM tokens WHERE hash = ? AND (expires IS NULL OR expires > ?)',
    );
    this.#insertToken = database.prepare(
      'INSERT INTO tokens (hash, principal_type, principal_id, expires) VALUES (?, ?, ?, ?)',
    );
  }

  /** The token of the new service account; undefined when there is one with this id already. */
  createServiceAccount(id: string, description: string): string | undefined {
    const insert = 'INSERT INTO service_accounts (id, description, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING';
    return inTransaction(this.#database, () => {
      const { changes } = this.#database.prepare(insert).run(id, description, this.#nowMs());
      return changes === 0 ? undefined : this.#newToken({ type: 'SERVICE_ACCOUNT', id }, null);
    });
  }

  /** A new token of a service account, whose old one is dead from now on; undefined when there is no such account. */
  renewToken(id: string): string | undefined {
    if (!this.#exists(id)) return undefined;
    return inTransaction(this.#database, () => {
      this.#database
        .prepare(`DELETE FROM tokens WHERE principal_type = 'SERVICE_ACCOUNT' AND principal_id = ?`)
        .run(id);
      return this.#newToken({ type: 'SERVICE_ACCOUNT', id }, null);
    });
  }

  /** A token with which to be root for an hour. */
  openRootSession(): string {
    const now = this.#nowMs();
    this.#database.prepare('DELETE FROM tokens WHERE expires <= ?').run(now);
    return this.#newToken(ROOT, now + ROOT_SESSION_MS);
  }

  /** False when there is no such service account. Granting twice is granting once. */
  grant(serviceAccount: string, role: Role): boolean {
    if (!this.#exists(serviceAccount)) return false;
    this.#database
      .prepare(
        `INSERT INTO role_assignments (role, principal_type, principal_id, scope) VALUES (?, 'SERVICE_ACCOUNT', ?, ?)
         ON CONFLICT DO NOTHING`,
      )
      .run(role.role, serviceAccount, scopeOf(role));
    return true;
  }

  principalOf(token: string): Principal | undefined {
    const row = this.#principalOf.get(hash('sha256', token), this.#nowMs());
    if (!row) return undefined;
    return row['principal_type'] === 'ROOT' ? ROOT : { type: 'SERVICE_ACCOUNT', id: String(row['principal_id']) };
  }

  holds(principal: Principal, role: Role): boolean {
    if (principal.type === 'ROOT') return true;
    return (
      this.#database
        .prepare(
          'SELECT 1 FROM role_assignments WHERE role = ? AND principal_type = ? AND principal_id = ? AND scope = ?',
        )
        .get(role.role, principal.type, principal.id, scopeOf(role)) !== undefined
    );
  }

  #exists(id: string): boolean {
    return this.#database.prepare('SELECT 1 FROM service_accounts WHERE id = ?').get(id) !== undefined;
  }

  #newToken({ type, id }: Principal, expires: number | null): string {
    const token = randomToken();
    this.#insertToken.run(hash('sha256', token), type, id, expires);
    return token;
  }
}

function scopeOf(role: Role): string {
  return role.role === 'EVENT_CREATOR' ? role.source : '';
}

const TOKEN_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const TOKEN_LENGTH = 256;

function randomToken(): string {
  return Array.from({ length: TOKEN_LENGTH }, () => TOKEN_ALPHABET[randomInt(TOKEN_ALPHABET.length)]).join('');
}
