import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METRICS, type MetricDeclaration, Metrics } from '../../src/observe/metrics.ts';
import { read } from '../house/repository.ts';
import { ALERTS, dashboardExpressions } from './monitoring.ts';

/** Metrics, label names and label values of expressions that the gateway does not have. */
async function unknownIn(expressions: readonly string[]): Promise<readonly string[]> {
  const metrics = new Metrics();
  metrics.watchProcess();
  const exported = new Set([...(await metrics.text()).matchAll(/^# TYPE (\w+)/gm)].map(([, name = '']) => name));
  return expressions.flatMap((expr) =>
    [...expr.matchAll(/\b((?:acr_gateway|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)].flatMap(([, name = '', labels]) => {
      const metric = name.replace(/_(?:bucket|sum|count)$/, '');
      if (!exported.has(metric)) return [name];
      return unknownLabels(metric, labels ?? '').map((each) => `${name}: ${each}`);
    }),
  );
}

function unknownLabels(metric: string, matchers: string): readonly string[] {
  const declared = Object.entries<MetricDeclaration>(METRICS);
  const labels = declared.find(([name]) => name === metric)?.[1].labels ?? {};
  return [...matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)].flatMap(([matcher, label = '', text = '']) => {
    // Prometheus itself adds `instance`.
    if (label === 'instance') return [];
    const values = labels[label];
    if (values === undefined) return [matcher];
    return typeof values === 'string' || text.split('|').every((each) => values.includes(each)) ? [] : [matcher];
  });
}

test('every metric, label and value in alerts and dashboard exists', async () => {
  const expressions = [...ALERTS, ...dashboardExpressions()].map(({ expr }) => expr);
  assert.ok(expressions.length > 40);
  assert.deepEqual(await unknownIn(expressions), []);
  const wrong = [
    'acr_gateway_sink_on',
    'acr_gateway_events_total{colour="x"}',
    'acr_gateway_events_total{result=~"x|y"}',
  ];
  assert.equal((await unknownIn(wrong)).length, wrong.length);
});

test('every label by which alerts and dashboard group is one of the metric', () => {
  for (const { expr } of [...ALERTS, ...dashboardExpressions()]) {
    for (const [, list = ''] of expr.matchAll(/\b(?:by|without) \(([^)]*)\)/g)) {
      const known = Object.entries<MetricDeclaration>(METRICS)
        .filter(([name]) => expr.includes(name))
        .flatMap(([, { labels = {} }]) => ['le', ...Object.keys(labels)]);
      for (const label of list.split(', ')) assert.ok(known.includes(label), `${label} in ${expr}`);
    }
  }
});

test('every alert has a heading in docs/operations.md, where its runbook_url leads, and every heading an alert', () => {
  const [, section = ''] = read('docs/operations.md').split(/^## Alerts$/m);
  const headings = [...(section.split(/^## /m)[0] ?? '').matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
  assert.deepEqual(
    headings,
    ALERTS.map(({ alert }) => alert),
  );
  for (const { alert, annotations } of ALERTS) {
    const page = 'https://github.com/brigadecore/brigade-acr-gateway/blob/main/docs/operations.md';
    assert.equal(annotations['runbook_url'], `${page}#${alert.toLowerCase()}`);
  }
});
