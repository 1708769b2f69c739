import { connect } from 'node:net';
import { parseConfigFile } from '../../../src/config/config-file.ts';
import { parseTokens } from '../../../src/config/tokens-file.ts';
import { decode } from '../../../src/decode/decode.ts';
import { CORPORA } from './corpora.ts';
import { inputOf } from './inputs.ts';

/** One input must not take longer, milliseconds. */
const PATIENCE_MS = 10_000;

/** Connections at the same time. */
const CONNECTIONS = 32;

/** The statuses of the ingest port, as its documentation has them. Of the 5xx that a fault of the program could cause, only 503. */
const DOCUMENTED: ReadonlySet<string> = new Set([
  ...['100', '200', '301', '400', '403', '404', '405', '408', '413', '429', '431', '501', '503', '505'],
]);

export interface FuzzPlan {
  readonly seed: number;
  /** The numbers of the first input, and of the first that is not sent. */
  readonly from: number;
  readonly to: number;
}

export interface FuzzReport {
  readonly inputs: number;
  readonly seconds: number;
  /** The numbers of the inputs that found something, and what. */
  readonly findings: readonly string[];
  /** Answers by status, or results by kind. */
  readonly results: Readonly<Record<string, number>>;
}

/** Counts results, and keeps what was found. */
class Findings {
  readonly #began = performance.now();
  readonly #findings: string[] = [];
  readonly #results: Record<string, number> = {};
  #inputs = 0;

  add(result: string): void {
    this.#results[result] = (this.#results[result] ?? 0) + 1;
  }

  check(number: number, ms: number): void {
    this.#inputs += 1;
    if (ms > PATIENCE_MS) this.found(number, `took ${Math.round(ms)} ms`);
  }

  found(number: number, what: string): void {
    this.#findings.push(`input ${number}: ${what}`);
  }

  report(): FuzzReport {
    const seconds = (performance.now() - this.#began) / 1000;
    return { inputs: this.#inputs, seconds, findings: this.#findings, results: this.#results };
  }
}

const READERS = {
  decode: (bytes: Buffer) => decode(bytes, {}).kind,
  tokens: (bytes: Buffer) => parseTokens(bytes).kind,
  config: (bytes: Buffer) => parseConfigFile(bytes).kind,
} as const;

/** Reads inputs, none of which may make the reader throw. */
export function fuzzReader(name: keyof typeof READERS, { seed, from, to }: FuzzPlan): FuzzReport {
  const findings = new Findings();
  for (let number = from; number < to; number += 1) {
    const input = inputOf(CORPORA[name], seed, number);
    const began = performance.now();
    try {
      findings.add(READERS[name](input));
    } catch (error) {
      findings.found(number, String(error));
    }
    findings.check(number, performance.now() - began);
  }
  return findings.report();
}

/** Sends each input on a connection of its own, which the gateway must close. */
export async function fuzzPort(port: number, { seed, from, to }: FuzzPlan): Promise<FuzzReport> {
  const findings = new Findings();
  let next = from;
  const client = async (): Promise<void> => {
    while (next < to) {
      const number = next;
      next += 1;
      const began = performance.now();
      const text = await answersTo(port, number, inputOf(CORPORA.http, seed, number));
      findings.check(number, performance.now() - began);
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status = '']) => status);
      for (const status of statuses.length === 0 ? ['none'] : statuses) findings.add(status);
      const unknown = statuses.filter((status) => !DOCUMENTED.has(status));
      if (unknown.length > 0) findings.found(number, `answered ${unknown.join(', ')}`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  return findings.report();
}

/** Everything that the gateway sends until the connection ends, in either way. */
function answersTo(port: number, number: number, input: Buffer): Promise<string> {
  const localAddress = `127.1.${(number >> 8) & 0xff}.${number & 0xff}`;
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    // Longer than one input may take, so that it is a finding.
    const patience = setTimeout(() => socket.destroy(), PATIENCE_MS + 1_000);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // A reset is an answer too.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(patience);
      resolve(Buffer.concat(chunks).toString('latin1'));
    });
    socket.end(input);
  });
}
