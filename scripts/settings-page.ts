import { configFile } from '../src/config/config-file.ts';
import { type Notes, notesOf } from '../src/config/schema.ts';
import { DEV_VARIABLES, OPERATOR_VARIABLES, SEND_VARIABLES, SERVE_VARIABLES } from '../src/config/variables.ts';

type Schema = Parameters<typeof notesOf>[0];

/** The text of docs/configuration.md. */
export function settingsPage(): string {
  return `# Configuration

<!-- Generated from src/config/ by npm run docs. Do not edit. -->

Set the gateway up with environment variables, with [a configuration file](#the-configuration-file), or with both. The
variables of v0.4.1 keep their names and meaning.

- An empty variable counts as not set. Blanks around a value are ignored.
- The gateway prints everything that is wrong with the settings, and with the files that they name, and exits with 78.
- The gateway reads files at start, and checks them every second. It uses a changed file once it reads the same twice in a
  row and is valid; until then it keeps the old content. Mounted Kubernetes secrets work. A file has at most 1 MiB.
- A size is in bytes or has a unit: \`KiB\`, \`MiB\`, \`GiB\`, \`TiB\` count by 1024, \`kB\`, \`MB\`, \`GB\` by 1000.
- A duration is in seconds or has a unit: \`ms\`, \`s\`, \`m\`, \`h\`, \`d\`.
- \`1\`, \`t\`, \`T\`, \`TRUE\` and \`True\` are \`true\` too, and likewise for \`false\`.

## \`serve\`

${tableOf(SERVE_VARIABLES)}
## \`dev\`

Everything listens on 127.0.0.1.

${tableOf(DEV_VARIABLES)}
## Commands for a running gateway

For \`events\`, \`dead-letters\`, \`deliveries\`, \`redeliveries\`, \`check --seq\`, and what \`doctor\` asks a gateway.

${tableOf(OPERATOR_VARIABLES)}
## \`check --explain\` and \`token list\`

They read \`CONFIG_PATH\`, \`TOKENS_PATH\`, \`SINK_URL\` and \`SINK_MODE\` as \`serve\` does, and need none of them.

## \`send\`

${tableOf(SEND_VARIABLES)}
## The configuration file

\`CONFIG_PATH\` names a YAML file such as [gateway.example.yaml](gateway.example.yaml). Every value is read as the text that
is there: \`no\` is a text, and \`010\` is \`010\`. A variable in the environment overrides the same setting in the file. The
gateway reads settings at start, and everything else again when the file changes; a file with a mistake never replaces a
good one. See [rules.md](rules.md) and [credentials.md](credentials.md) for what to write in it.

| field | if absent | meaning | value |
|---|---|---|---|
${rowsIn(configFile, '')
  .map(({ path, ifAbsent, about, expected }) => `| \`${path}\` | ${ifAbsent} | ${about} | ${expected} |`)
  .join('\n')}
`;
}

function tableOf(variables: Readonly<Record<string, Schema>>): string {
  const rows = Object.entries(variables).map(([name, schema]) => {
    const { ifAbsent, about, expected } = notesOf(schema);
    return `| \`${name}\` | ${ifAbsent} | ${about} | ${expected} |`;
  });
  return ['| variable | if not set | meaning | value |', '|---|---|---|---|', ...rows, ''].join('\n');
}

interface Row extends Notes {
  readonly path: string;
}

/** The fields below a schema. `[]` stands for every item of a list, `*` for every name of a mapping. */
function rowsIn(schema: Schema, above: string): readonly Row[] {
  return stepsIn(schema).flatMap(({ wrapped, item, value, entries }) => [
    ...(wrapped === undefined ? [] : rowsIn(wrapped, above)),
    ...(item === undefined ? [] : rowsIn(item, `${above}[]`)),
    ...(value === undefined ? [] : rowsIn(value, joined(above, '*'))),
    ...Object.entries(entries ?? {}).flatMap(([name, field]) => {
      const notes = notesOf(field);
      const path = joined(above, name);
      return [{ path, ...notes }, ...(notes.isLeaf === true ? [] : rowsIn(field, path))];
    }),
  ]);
}

/** The parts that a schema of valibot may have, whichever kind it is. */
interface Step {
  readonly kind: string;
  readonly wrapped?: Schema;
  readonly item?: Schema;
  readonly value?: Schema;
  readonly entries?: Readonly<Record<string, Schema>>;
}

function stepsIn(schema: Schema): readonly Step[] {
  return 'pipe' in schema && Array.isArray(schema.pipe)
    ? schema.pipe.flatMap((part: Schema) => (part.kind === 'schema' ? stepsIn(part) : []))
    : [schema];
}

function joined(above: string, name: string): string {
  return above === '' ? name : `${above}.${name}`;
}
