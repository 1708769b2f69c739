import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { completionScript } from './completion.ts';
import { createProgram } from './program.ts';

const NAME = 'brigade-acr-gateway';

/** What bash offers after these words, of which the last is not complete. */
function offered(...words: readonly string[]): readonly string[] {
  const script = completionScript(
    createProgram(() => {}),
    'bash',
  );
  const line = [NAME, ...words].map((word) => `'${word}'`).join(' ');
  const ask = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _brigade_acr_gateway; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', `complete() { :; }\n${script}\n${ask}`], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
}

const SKIP = existsSync('/bin/bash') || existsSync('/usr/bin/bash') ? false : 'there is no bash';

test('completion offers commands, subcommands, flags and the values of flags', { skip: SKIP }, () => {
  assert.ok(offered('').includes('events') && offered('').includes('doctor'));
  assert.deepEqual(offered('ev'), ['events']);
  assert.deepEqual(offered('events', 're'), ['redeliver']);
  assert.deepEqual(offered('events', 'list', '--repo'), ['--repository']);
  assert.deepEqual(offered('events', 'list', '--json', '--state', 'd'), ['delivered', 'dead-lettered', 'discarded']);
  assert.deepEqual(offered('completion', ''), ['bash', 'zsh', '--help', '-h']);
});

test('completion leaves files and free values to the shell', { skip: SKIP }, () => {
  assert.deepEqual(offered('send', '--file', ''), []);
});
