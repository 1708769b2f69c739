import { hash, randomInt } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { inTransaction, type Row } from './database.ts';
import { equals, type Page, type PageRequest, select, selectPage } from './select.ts';

/** Who makes a request. */
export interface Principal {
  readonly type: 'ROOT' | 'SERVICE_ACCOUNT';
  readonly id: string;
}

/** What a token says of who sends it. */
export type Identity =
  | { readonly kind: 'known'; readonly principal: Principal }
  | { readonly kind: 'locked' }
  | { readonly kind: 'unknown' };

export interface ServiceAccount {
  readonly id: string;
  readonly description: string;
  /** Milliseconds since the epoch. */
  readonly created: number;
  /** Since when it is locked out; absent where it is not. */
  readonly locked?: number;
}

const ROOT: Principal = { type: 'ROOT', id: 'root' };

/** Brigade's own: how long root stays logged in. */
const ROOT_SESSION_MS = 60 * 60 * 1000;

const TABLE = { columns: '*', from: 'service_accounts', key: ['id'] };

/** Service accounts and tokens, in SQLite. Of a token the SHA-256 alone is kept: nobody can read it again. */
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

  /** The token of the new service account; undefined when there is one with this id already. */
  createServiceAccount(id: string, description: string): string | undefined {
    const insert = 'INSERT INTO service_accounts (id, description, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING';
    return inTransaction(this.#database, () => {
      const { changes } = this.#database.prepare(insert).run(id, description, this.#nowMs());
      return changes === 0 ? undefined : this.#newToken({ type: 'SERVICE_ACCOUNT', id }, null);
    });
  }

  serviceAccount(id: string): ServiceAccount | undefined {
    return select(this.#database, TABLE, equals('id', id)).map(accountOf)[0];
  }

  /** In the order of their ids. */
  serviceAccounts(page: PageRequest): Page<ServiceAccount> {
    const { items, remaining } = selectPage(this.#database, TABLE, [], page);
    return { items: items.map(accountOf), remaining };
  }

  /** Its token is answered with `locked` from now on. False when there is no such account. */
  lock(id: string): boolean {
    const lock = 'UPDATE service_accounts SET locked = ? WHERE id = ?';
    return this.#database.prepare(lock).run(this.#nowMs(), id).changes > 0;
  }

  /** Unlocks, with a new token: the old one is dead from now on. Undefined when there is no such account. */
  renewToken(id: string): string | undefined {
    return inTransaction(this.#database, () => {
      const unlock = 'UPDATE service_accounts SET locked = NULL WHERE id = ?';
      if (this.#database.prepare(unlock).run(id).changes === 0) return undefined;
      this.#deleteTokens(id);
      return this.#newToken({ type: 'SERVICE_ACCOUNT', id }, null);
    });
  }

  /** With its token and its roles, also those in projects. False when there is no such account. */
  deleteServiceAccount(id: string): boolean {
    return inTransaction(this.#database, () => {
      this.#deleteTokens(id);
      this.#database
        .prepare(`DELETE FROM role_assignments WHERE principal_type = 'SERVICE_ACCOUNT' AND principal_id = ?`)
        .run(id);
      return this.#database.prepare('DELETE FROM service_accounts WHERE id = ?').run(id).changes > 0;
    });
  }

  /** A token with which to be root for an hour. */
  openRootSession(): string {
    const now = this.#nowMs();
    this.#database.prepare('DELETE FROM tokens WHERE expires <= ?').run(now);
    return this.#newToken(ROOT, now + ROOT_SESSION_MS);
  }

  /** False when the token is that of no session. */
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
