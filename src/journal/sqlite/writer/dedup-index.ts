import type { Statements } from './statements.ts';

/** Keys that are kept in memory before any goes to the tree on disk, by default: some 4 MB. */
const RECENT_LIMIT = 32_768;

/** Parts of the key space, by a key's first byte. One is carried to disk at a time. */
const BUCKETS = 256;

/** Meta entry: the keys of all records up to this seq are in the tree on disk. */
const WATERMARK = 'dedup_watermark';

/**
 * Finds the record that has a key, among all of the last 7 days.
 *
 * A key is a hash, so putting each into a tree on disk as it comes would write a page of 4 KiB for it: more than the event
 * itself, in every commit. So new keys stay in memory, in buckets by their first byte, and go to the tree a bucket at a
 * time, where many of them share a page. After a crash, the keys that were only in memory are read back from their events.
 *
 * Like the transaction around them, changes take effect with `committed` and are dropped with `rolledBack`.
 */
export class DedupIndex {
  readonly #sql: Statements;
  readonly #recentLimit: number;
  readonly #recent: Map<string, number>[] = Array.from({ length: BUCKETS }, () => new Map());
  readonly #staged = new Map<string, number>();
  readonly #deleted = new Map<string, number>();
  #size = 0;
  #nextBucket = 0;
  #carried: number | undefined;
  #startedRound: number | undefined;
  /** The last seq when the current round began: when the round ends, all keys up to here are on disk. */
  #roundSeq: number;

  /** Reads back what is not on disk. */
  constructor(sql: Statements, recentLimit: number = RECENT_LIMIT) {
    this.#sql = sql;
    this.#recentLimit = recentLimit;
    const watermark = Number(sql.getMeta.get(WATERMARK)?.['value'] ?? 0);
    this.#roundSeq = watermark;
    for (const row of sql.keysAfter.iterate(watermark)) this.#add(String(row['key']), Number(row['seq']));
  }

  /** The seq of the record with this key, if there is one. */
  find(key: string): number | undefined {
    const known = this.#staged.get(key) ?? this.#bucketOf(key).get(key);
    if (known !== undefined) return known;
    const seq = this.#sql.keyOwner.get(Buffer.from(key, 'hex'))?.['seq'];
    return typeof seq === 'number' ? seq : undefined;
  }

  /** Takes the key over if another record has it. */
  add(key: string, seq: number): void {
    this.#staged.set(key, seq);
  }

  /** Carries one bucket to disk when memory is full. Call it once in a transaction that adds keys. */
  carry(lastSeq: number): void {
    if (this.#size < this.#recentLimit) return;
    if (this.#nextBucket === 0) {
      this.#sql.setMeta.run(WATERMARK, this.#roundSeq);
      this.#startedRound = lastSeq;
    }
    this.#carried = this.#nextBucket;
    for (const [key, seq] of this.#recent[this.#carried] ?? []) this.#sql.takeKey.run(Buffer.from(key, 'hex'), seq);
  }

  /** Deletes the key if it belongs to this record: it may have become the key of a newer one. */
  delete(key: string, seq: number): void {
    this.#sql.deleteKey.run(Buffer.from(key, 'hex'), seq);
    this.#deleted.set(key, seq);
  }

  committed(): void {
    if (this.#startedRound !== undefined) this.#roundSeq = this.#startedRound;
    if (this.#carried !== undefined) this.#empty(this.#carried);
    for (const [key, seq] of this.#deleted) this.#drop(key, seq);
    for (const [key, seq] of this.#staged) this.#add(key, seq);
    this.rolledBack();
  }

  rolledBack(): void {
    this.#startedRound = undefined;
    this.#carried = undefined;
    this.#deleted.clear();
    this.#staged.clear();
  }

  /** For a record of any age: its key goes to disk at once. */
  take(key: string, seq: number): void {
    this.#sql.takeKey.run(Buffer.from(key, 'hex'), seq);
    this.add(key, seq);
  }

  #empty(bucket: number): void {
    const keys = this.#recent[bucket];
    this.#size -= keys?.size ?? 0;
    keys?.clear();
    this.#nextBucket = (bucket + 1) % BUCKETS;
  }

  #drop(key: string, seq: number): void {
    const bucket = this.#bucketOf(key);
    if (bucket.get(key) === seq && bucket.delete(key)) this.#size--;
  }

  #add(key: string, seq: number): void {
    const bucket = this.#bucketOf(key);
    if (!bucket.has(key)) this.#size++;
    bucket.set(key, seq);
  }

  #bucketOf(key: string): Map<string, number> {
    const bucket = this.#recent[Number.parseInt(key.slice(0, 2), 16)];
    if (bucket === undefined) throw new Error('a key is not hexadecimal');
    return bucket;
  }
}
