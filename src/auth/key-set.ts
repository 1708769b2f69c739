import type { CryptoKey, FlattenedJWSInput, JWSHeaderParameters } from 'jose';

/** ACR waits 5 s for its answer, and the journal takes its part of that. */
const FETCH_MS = 3_000;

/** A tenant's keys take about 20 kB. */
const MAX_BYTES = 256 * 1024;

/** Keys older than this are renewed behind the scenes; Entra ID announces a key days before it signs with it. */
const FRESH_MS = 3_600_000;

/** Keys that could not be renewed for so long are not trusted any more: they may have been withdrawn. */
const MAX_AGE_MS = 24 * 3_600_000;

/** Between two fetches that anonymousHandshakes can cause, by naming a key that does not exist. */
const COOL_DOWN_MS = 30_000;

/** After a fetch that failed. */
const RETRY_MS = 1_000;

/** The keys cannot be had, so that no signature can be judged. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

type Jose = typeof import('jose');
type FindKey = (header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>;

export interface KeySetOptions {
  readonly url: string;
  readonly jose: Jose;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** The keys of one issuer, fetched when they are needed and kept. */
export class KeySet {
  readonly #options: KeySetOptions;
  #keys: FindKey | undefined;
  #fetchedAt = 0;
  #failedAt = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  constructor(options: KeySetOptions) {
    this.#options = options;
  }

  /** Rejects with `KeysUnavailable`, or with an error of jose's for a key that the issuer does not have. */
  readonly find: FindKey = async (header, token) => {
    const keys = await this.#current();
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof this.#options.jose.errors.JWKSNoMatchingKey)) throw error;
      if (this.#age() < COOL_DOWN_MS) throw error;
      await this.#renew();
      return (await this.#current())(header, token);
    }
  };

  async #current(): Promise<FindKey> {
    if (this.#keys === undefined || this.#age() >= MAX_AGE_MS) await this.#renew();
    else if (this.#age() >= FRESH_MS) {
      this.#renew().catch(() => {
        // The old ones are still good, and the next webhook tries again.
      });
    }
    return this.#keys ?? Promise.reject(new KeysUnavailable('no keys'));
  }

  #age(): number {
    return this.#options.now() - this.#fetchedAt;
  }

  /** One fetch at a time, however many webhooks wait for it. */
  #renew(): Promise<void> {
    if (this.#fetching === undefined) {
      if (this.#options.now() - this.#failedAt < RETRY_MS)
        return Promise.reject(new KeysUnavailable('failed just now'));
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = undefined;
      });
    }
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    const { url, jose, now } = this.#options;
    try {
      this.#keys = jose.createLocalJWKSet(JSON.parse(await fetchText(url)));
      this.#fetchedAt = now();
    } catch (cause) {
      this.#failedAt = now();
      throw new KeysUnavailable(`no keys from ${url}`, { cause });
    }
  }
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(FETCH_MS) });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`answered more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
