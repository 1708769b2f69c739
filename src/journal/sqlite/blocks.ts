/** Numbers of events in a block: what the reader indexes at a time, in some 20 ms. */
export const BLOCK_SIZE = 4096;

export function blockOf(seq: number): number {
  return Math.floor(seq / BLOCK_SIZE);
}
