import type { Command } from 'commander';
import { createProgram } from '../src/cli/program.ts';

/** The text of docs/cli.md. */
export function cliPage(): string {
  const program = createProgram(() => {});
  return `# Command line

<!-- Generated from src/cli/program.ts by npm run docs. Do not edit. -->

In a checkout, put \`npx\` before the command; in a pod of the chart, \`/nodejs/bin/node bin.js\` is \`${program.name()}\`. Settings
come from [the environment](configuration.md), and [exit codes](exit-codes.md) say how a command ended.

- Lists are tables, whose header and cutting are for terminals. Programs read \`--json\`. All times are ISO 8601, in UTC.
- The commands \`events\`, \`dead-letters\`, \`deliveries\` and \`redeliveries\` ask the admin port of a running gateway: see
  [their settings](configuration.md#commands-for-a-running-gateway).
- For completion, put \`source <(${program.name()} completion bash)\` into \`~/.bashrc\`, or the same with \`zsh\` into
  \`~/.zshrc\`.

${program.commands.flatMap((command) => sectionsOf(command, '')).join('\n')}`;
}

function sectionsOf(command: Command, above: string): readonly string[] {
  const name = `${above}${command.name()}`;
  return command.commands.length === 0
    ? [sectionOf(command, name)]
    : command.commands.flatMap((each) => sectionsOf(each, `${name} `));
}

function sectionOf(command: Command, name: string): string {
  const help = command.createHelp();
  const rows = [
    ...help.visibleArguments(command).map((each) => [help.argumentTerm(each), help.argumentDescription(each)]),
    ...help.visibleOptions(command).map((each) => [help.optionTerm(each), help.optionDescription(each)]),
  ].filter(([term = '']) => !term.includes('--help'));
  const table = [
    '| argument or flag | meaning |',
    '|---|---|',
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
  ];
  return [
    `## \`${name}\``,
    '',
    sentence(command.description()),
    '',
    '```',
    help.commandUsage(command),
    '```',
    '',
    ...(rows.length === 0 ? [] : [...table, '']),
  ].join('\n');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function cell(text = '', index = 0): string {
  const plain = text.replaceAll('|', '\\|');
  return index === 0 ? `\`${plain}\`` : plain.replaceAll('*', '\\*').replaceAll('<', '&lt;');
}
