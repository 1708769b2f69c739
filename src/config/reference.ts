import { configFile } from './config-file.ts';
import { devSettings, operatorSettings, sendSettings } from './other-settings.ts';
import type { Row } from './setting.ts';
import { serveSettings } from './settings.ts';

/** The text of docs/configuration.md. */
export function settingsReference(): string {
  return `# Configuration

<!-- Generated from src/config/ by npm run docs. Do not edit. -->

Settings are environment variables, or stand in [the configuration file](#the-configuration-file). Those that v0.4.1 knew
keep their names and meaning.

- A variable that is empty counts as not set. Blanks around a value do not count.
- Everything wrong with the settings, and with the files that they name, is told at once; the process then exits with 78.
- Files are read at start and looked at every second. A changed one is taken once it reads the same twice in a row and is
  well-formed; until then the old one stays in use. A mounted Kubernetes secret works as it is. A file has at most 1 MiB.
- A size is in bytes or has a unit: \`KiB\`, \`MiB\`, \`GiB\`, \`TiB\` count by 1024, \`kB\`, \`MB\`, \`GB\` by 1000. A duration is in
  seconds or has a unit: \`ms\`, \`s\`, \`m\`. \`1\`, \`t\`, \`T\`, \`TRUE\`, \`True\` are \`true\` too, and likewise for \`false\`.

## \`serve\`

${tableOf(serveSettings.rows)}
## \`dev\`

Everything listens on 127.0.0.1.

${tableOf(devSettings.rows)}
## \`dead-letters\`

${tableOf(operatorSettings.rows)}
## \`send\`

${tableOf(sendSettings.rows)}
## The configuration file

\`CONFIG_PATH\` names a file of YAML; [gateway.example.yaml](gateway.example.yaml) is one. Every value is read as the text
that stands there: \`no\` is a text, and \`010\` is \`010\`. A variable in the environment counts more than the same setting in
the file, and that more than its default. Settings are read at start; all else is taken as soon as the file changes, and a
file with a mistake never replaces a good one. [rules.md](rules.md) and [credentials.md](credentials.md) tell what it is for.

| field | if absent | meaning | value |
|---|---|---|---|
${configFile.rows.map(({ path, ifAbsent, about, expected }) => `| \`${path}\` | ${ifAbsent} | ${about} | ${expected} |`).join('\n')}
`;
}

function tableOf(rows: readonly Row[]): string {
  return ['| variable | if not set | meaning | value |', '|---|---|---|---|', ...rows.map(lineOf), ''].join('\n');
}

function lineOf(row: Row): string {
  const about = row.secret ? `${row.about} Never shown.` : row.about;
  return `| \`${row.name}\` | ${row.ifAbsent} | ${about} | ${row.type.expected} |`;
}
