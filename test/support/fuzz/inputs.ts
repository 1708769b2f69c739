import { mulberry32 } from '../random.ts';

/** The longest input, bytes. */
const MAX_BYTES = 16 * 1024;

const MOST_CHANGES = 3;

/** What makes inputs of one kind. */
export interface Corpus {
  /** Valid inputs, of which the others are changed copies. */
  readonly samples: readonly Buffer[];
  /** Pieces that mean something to the reader of these inputs. */
  readonly pieces: readonly string[];
}

/** The input of that number: the same for the same seed, whatever came before it. */
export function inputOf({ samples, pieces }: Corpus, seed: number, number: number): Buffer {
  const random = mulberry32(seed ^ Math.imul(number + 1, 0x9e3779b1));
  const below = (end: number): number => Math.floor(random() * end);
  const oneOf = <T>(values: readonly [T, ...T[]] | readonly T[], instead: T): T =>
    values[below(values.length)] ?? instead;
  if (below(20) === 0) return Buffer.from(Array.from({ length: below(400) }, () => below(256)));
  let bytes = oneOf(samples, Buffer.alloc(0));
  for (let changes = below(MOST_CHANGES + 1); changes > 0; changes -= 1) {
    const [one, other] = [below(bytes.length + 1), below(bytes.length + 1)];
    const [start, end] = [Math.min(one, other), Math.max(one, other)];
    const change = oneOf(CHANGES, insert);
    bytes = change({ bytes, start, end, piece: Buffer.from(oneOf(pieces, '')), sample: oneOf(samples, bytes), random });
    bytes = bytes.subarray(0, MAX_BYTES);
  }
  return bytes;
}

interface Place {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly piece: Buffer;
  readonly sample: Buffer;
  readonly random: () => number;
}

type Change = (place: Place) => Buffer;

function insert({ bytes, start, piece }: Place): Buffer {
  return Buffer.concat([bytes.subarray(0, start), piece, bytes.subarray(start)]);
}

const CHANGES: readonly Change[] = [
  insert,
  ({ bytes, start, end }) => Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]),
  ({ bytes, start, random }) => {
    const copy = Buffer.from(bytes);
    if (start < copy.length) copy[start] = Math.floor(random() * 256);
    return copy;
  },
  ({ bytes, start, end, random }) => {
    const part = bytes.subarray(start, end);
    const times = Math.floor(random() * 64);
    return Buffer.concat([bytes.subarray(0, end), ...Array.from({ length: times }, () => part), bytes.subarray(end)]);
  },
  ({ bytes, start, sample, random }) =>
    Buffer.concat([bytes.subarray(0, start), sample.subarray(Math.floor(random() * sample.length))]),
  ({ bytes, start }) => bytes.subarray(0, start),
  // Another value for a string or a number of JSON.
  ({ bytes, piece, random }) => {
    const text = bytes.toString('latin1');
    const values = [...text.matchAll(/:\s*("(?:[^"\\]|\\.)*"|\d+)/g)];
    const value = values[Math.floor(random() * values.length)];
    if (value === undefined) return bytes;
    const [found] = value;
    const [head, tail] = [text.slice(0, value.index + 1), text.slice(value.index + found.length)];
    return Buffer.concat([Buffer.from(head, 'latin1'), piece, Buffer.from(tail, 'latin1')]);
  },
];
