import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { suite, test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { helm } from '../chart/helm.ts';
import { DEFAULTS, valueAt } from '../chart/values.ts';
import { isOwnCommand } from '../house/own-commands.ts';
import { absolute, pages, read } from '../house/repository.ts';
import { consoleBlocks } from './blocks.ts';
import { type SimpleCommand, simpleCommands } from './shell.ts';
import { TOOLS, type Tool } from './tools.ts';

/** What a block may need and the tests do not have: see docs/contributing/documentation.md. */
const NEEDS: ReadonlySet<string | undefined> = new Set([
  undefined,
  ...['Azure', 'Brigade', 'brig', 'cluster', 'container engine', 'root, nginx, and a minute'],
]);

/** Every issue with a command. */
type Check = (words: SimpleCommand) => readonly string[] | Promise<readonly string[]>;

const OUR_CHART = /(?:^oci:\/\/ghcr\.io\/brigadecore\/|^charts\/)brigade-acr-gateway$/;

const CHECKS: Readonly<Record<string, Check>> = {
  helm: checkHelm,
  npx: ([, program = '', ...words]) => checkOwn(program, words),
  '/nodejs/bin/node': ([, program = '', ...words]) => checkOwn(program, words),
};

function flagsOf(words: SimpleCommand): readonly string[] {
  return words.filter((word) => /^--?[a-zA-Z]/.test(word)).map((word) => word.split('=')[0] ?? '');
}

function checkOwn(program: string, words: SimpleCommand): readonly string[] {
  if (program === 'node') return existsSync(absolute(words[0] ?? '')) ? [] : [`there is no ${words[0]}`];
  // The command of its package has the flags of ours.
  if (program === 'embedded-brigade') return checkOwn('brigade-acr-gateway', ['brigade', ...words]);
  if (program !== 'brigade-acr-gateway' && program !== 'bin.js') return [`unknown program ${program}`];
  const isKnown = isOwnCommand(words.map((word) => word.split('=')[0] ?? ''));
  return isKnown ? [] : [`the program has no ${words.join(' ')}`];
}

/** Checks the subcommand and its flags against the help of Helm, and the values that they set against our chart. */
async function checkHelm([, ...words]: SimpleCommand): Promise<readonly string[]> {
  const depth = words[0] === 'inspect' || words[0] === 'get' ? 2 : 1;
  const { output, errors } = await helm(...words.slice(0, depth), '--help');
  if (!output.includes('Usage:')) return [`Helm has no ${words.slice(0, depth).join(' ')}: ${errors}`];
  const known = new Set([...output.matchAll(/(?<= )--?[\w-]+/g)].map(([flag]) => flag));
  const unknown = flagsOf(words).filter((flag) => !known.has(flag));
  return [...unknown.map((flag) => `helm ${words[0]} has no ${flag}`), ...checkChart(words)];
}

function checkChart(words: SimpleCommand): readonly string[] {
  const chart = words.find((word) => OUR_CHART.test(word));
  const given = words.flatMap((word, index) => (/^--set(?:-file)?$/.test(words[index - 1] ?? '') ? [word] : []));
  const paths = given.map((each) => each.split('=')[0] ?? '');
  const isOurs = chart !== undefined;
  const unknown = isOurs ? paths.filter((path) => valueAt(DEFAULTS, path.split('.')) === undefined) : [];
  const version = words[words.indexOf('--version') + 1];
  const isPublished = chart?.startsWith('oci:') === true;
  return [
    ...unknown.map((path) => `the chart has no value ${path}`),
    ...(isPublished && version !== packageJson.version
      ? [`names no version, or another than ${packageJson.version}`]
      : []),
  ];
}

function checkByTable(name: string, { commands }: Tool, words: SimpleCommand): readonly string[] {
  const separator = words.indexOf('--');
  const own = separator === -1 ? words : words.slice(0, separator);
  const path = Object.keys(commands)
    .filter((each) => each !== '' && each.split(' ').every((word, index) => own[index + 1] === word))
    .toSorted((one, other) => other.length - one.length)[0];
  const isPlain = Object.keys(commands).join() === '';
  if (path === undefined && !isPlain) return [`${name} has no ${own.slice(1, 4).join(' ')}`];
  const known = [...(commands[''] ?? []), ...(commands[path ?? ''] ?? [])];
  return flagsOf(own)
    .filter((flag) => !known.includes(flag))
    .map((flag) => `${name} ${path ?? ''} has no ${flag}`);
}

/** Whether a command consists of these words, or begins with them. */
function isBeginning([name = '', ...words]: SimpleCommand): boolean {
  const said = words.filter((word) => /^[a-zA-Z][\w-]*$/.test(word)).join(' ');
  const known = Object.keys(TOOLS[name]?.commands ?? {}).filter((each) => each !== '');
  return (
    known.length === 0 || known.some((each) => `${each} `.startsWith(`${said} `) || `${said} `.startsWith(`${each} `))
  );
}

async function check(words: SimpleCommand): Promise<readonly string[]> {
  const [name = ''] = words;
  const special = CHECKS[name];
  if (special !== undefined) return special(words);
  const tool = TOOLS[name];
  if (tool === undefined) return [`unknown program ${name}`];
  const separator = words.indexOf('--');
  // `kubectl exec POD --` runs another command; `npm start --` passes flags to ours.
  const inner = separator === -1 || name !== 'kubectl' ? [] : await check(words.slice(separator + 1));
  return [...checkByTable(name, tool, words), ...inner];
}

suite('a command in the documentation', () => {
  const blocks = consoleBlocks();

  test('names what it needs, or is run', () => {
    assert.ok(blocks.length > 30);
    const unknown = blocks.filter(
      ({ mark, needs }) => !NEEDS.has(needs) || (mark !== undefined && needs === undefined),
    );
    assert.deepEqual(unknown, []);
  });

  test('follows a dollar sign', () => {
    const empty = blocks.filter(({ text }) => !text.startsWith('$ '));
    assert.deepEqual(empty, []);
  });

  test('has a subcommand and flags of its program', async () => {
    const wrong: string[] = [];
    for (const { page, line, commands } of blocks) {
      for (const words of commands.flatMap(({ text }) => simpleCommands(text))) {
        wrong.push(...(await check(words)).map((issue) => `${page}:${line}: ${issue}`));
      }
    }
    assert.deepEqual(wrong, []);
  });

  test('within a sentence exists, or is the beginning of one', () => {
    const named = pages().flatMap((page) =>
      [...read(page).matchAll(/`((?:az|brig|kubectl) [^`]+)`/g)].map(([, text = '']) => ({ page, text })),
    );
    assert.ok(named.length > 20);
    const unknown = named.filter(({ text }) => !simpleCommands(text).every((words) => isBeginning(words)));
    assert.deepEqual(unknown, []);
    assert.ok(!isBeginning(['brig', 'secret', 'set']) && isBeginning(['brig', 'role', 'grant']));
  });

  const mistakes: readonly (readonly [command: string, issue: RegExp])[] = [
    ['brig event list --projekt acr-demo', /brig event list has no --projekt/],
    ['brig event lost --project acr-demo', /brig has no event lost/],
    ['kubectl exec pod -- /nodejs/bin/node bin.js dead-letters liszt', /the program has no dead-letters liszt/],
    ['helm upgrade one charts/brigade-acr-gateway --sett replicas=1', /helm upgrade has no --sett/],
    ['helm upgrade one charts/brigade-acr-gateway --set replica=1', /the chart has no value replica/],
    ['helm install one oci://ghcr.io/brigadecore/brigade-acr-gateway', /names no version/],
    ['echo "$(brigg whoami)"', /unknown program echo,unknown program brigg/],
    ['PORT=1 npx node test/chart/nothing.ts', /there is no test\/chart\/nothing\.ts/],
  ];
  for (const [command, issue] of mistakes) {
    test(`with a mistake is found: ${command}`, async () => {
      const issues = await Promise.all(simpleCommands(command).map(check));
      assert.match(issues.flat().join(), issue);
    });
  }
});
