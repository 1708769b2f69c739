import { EXIT_CODES } from '../src/cli/exit-codes.ts';

import { METRICS, type MetricDeclaration } from '../src/observe/metrics.ts';
import { chartPage } from './chart-page.ts';
import { cliPage } from './cli-page.ts';
import { limitsPage } from './limits-page.ts';
import { openApi } from './openapi.ts';
import { settingsPage } from './settings-page.ts';

/** The pages that are generated from the sources, by their path from the root. */
export function generatedPages(): Readonly<Record<string, string>> {
  return {
    'charts/brigade-acr-gateway/README.md': chartPage(),
    'docs/cli.md': cliPage(),
    'docs/configuration.md': settingsPage(),
    'docs/exit-codes.md': exitCodesPage(),
    'docs/limits.md': limitsPage(),
    'docs/metrics.md': metricsPage(),
    'src/admin/api/openapi.json': openApi(),
  };
}

function exitCodesPage(): string {
  const rows = Object.values(EXIT_CODES).map(({ code, about }) => `| ${code} | ${about} |`);
  return `# Exit codes

<!-- Generated from src/cli/exit-codes.ts. Do not edit. -->

The numbers are from \`sysexits.h\` where it has one. The message is on standard error.

| code | meaning |
|---|---|
${rows.join('\n')}

On a Node that is too old, the program ends with 1 and a message.
`;
}

function metricsPage(): string {
  const metrics = Object.entries<MetricDeclaration>(METRICS);
  const rows = metrics.map(
    ([name, { kind, help, labels }]) => `| \`${name}\` | ${kind} | ${labelsOf(labels)} | ${help} |`,
  );
  const buckets = metrics.flatMap(([name, { buckets: bounds }]) =>
    bounds === undefined ? [] : [`| \`${name}\` | ${bounds.join(', ')} |`],
  );
  return `# Metrics

<!-- Generated from src/observe/metrics.ts. Do not edit. -->

\`GET /metrics\` on the admin port answers in Prometheus' text format, without credentials. Every counter starts at 0. Labels
have only the values listed here, and names from your configuration: never a text from a webhook. A caller or registry
that you remove takes its series with it.

| metric | kind | labels | meaning |
|---|---|---|---|
${rows.join('\n')}

Upper bounds of the buckets, in seconds:

| histogram | bounds |
|---|---|
${buckets.join('\n')}

In addition, there are prom-client's metrics of the process and of Node (\`process_…\`, \`nodejs_…\`).
`;
}

function labelsOf(labels: MetricDeclaration['labels']): string {
  return Object.entries(labels ?? {})
    .map(([label, values]) => {
      const listed = typeof values === 'string' ? values : values.map((value) => `\`${value}\``).join(', ');
      return `\`${label}\`: ${listed}`;
    })
    .join('; ');
}
