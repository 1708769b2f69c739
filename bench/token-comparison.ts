import { randomBytes } from 'node:crypto';
import { tokenAuthenticator } from '../src/auth/token.ts';
import { parseTokens } from '../src/config/tokens-file.ts';

// npx node bench/token-comparison.ts
//
// How long it takes to reject a token, by the number of its first characters that are right. Each line is the median of many
// rounds, and the lines must not rise from the first to the last. Rounds take the guesses in turn, so that other load on the
// machine affects all of them.

const ROUNDS = 400;
const CALLS_IN_A_ROUND = 500;
const OTHER_TOKENS = 16;

const secret = randomBytes(24).toString('base64url');
const file = Object.fromEntries(Array.from({ length: OTHER_TOKENS }, (_, i) => [`caller-${i}`, `token-${i}`]));
const parsed = parseTokens(Buffer.from(JSON.stringify({ ...file, bench: secret })));
if (parsed.kind === 'issues') throw new Error('the tokens file of the benchmark is wrong');
const authenticator = tokenAuthenticator({ current: () => parsed.value });

const guesses = [0, 1, 8, 16, 24, 31].map((right) => ({
  right,
  headers: { authorization: `Bearer ${secret.slice(0, right)}${'~'.repeat(secret.length - right)}` },
  nanoseconds: Array.from({ length: 0 }, Number),
}));

for (let round = 0; round < ROUNDS; round++) {
  for (const { headers, nanoseconds } of guesses) {
    const startedAt = process.hrtime.bigint();
    for (let call = 0; call < CALLS_IN_A_ROUND; call++) await authenticator.authenticate(headers);
    nanoseconds.push(Number(process.hrtime.bigint() - startedAt) / CALLS_IN_A_ROUND);
  }
}

process.stdout.write(`${OTHER_TOKENS + 1} tokens of ${secret.length} characters; nanoseconds to reject one\n`);
process.stdout.write('right characters   median   quartiles\n');
for (const { right, nanoseconds } of guesses) {
  const sorted = nanoseconds.toSorted((a, b) => a - b);
  const [low, median, high] = [0.25, 0.5, 0.75].map((share) => Math.round(sorted[Math.floor(ROUNDS * share)] ?? 0));
  process.stdout.write(`${String(right).padStart(16)}   ${String(median).padStart(6)}   ${low} to ${high}\n`);
}
