import { parse } from 'yaml';
import type { PrometheusRule } from '../chart/custom-resources.ts';
import { CHART } from '../chart/helm.ts';
import { absolute, read } from '../house/repository.ts';

export const ALERTS_PATH = absolute(`${CHART}/files/alerts.yaml`);

export type Alert = PrometheusRule['spec']['groups'][number]['rules'][number];

export const ALERTS: readonly Alert[] = (
  parse(read(`${CHART}/files/alerts.yaml`)) as PrometheusRule['spec']
).groups.flatMap(({ rules }) => rules);

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
}

/** The expressions of the dashboard, with values in place of Grafana's variables. */
export function dashboardExpressions(): readonly { readonly title: string; readonly expr: string }[] {
  const { panels }: Dashboard = JSON.parse(read(`${CHART}/files/dashboard.json`));
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    })),
  );
}
