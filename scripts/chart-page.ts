import { readFileSync } from 'node:fs';
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';
import packageJson from '../package.json' with { type: 'json' };

const VALUES = new URL('../charts/brigade-acr-gateway/values.yaml', import.meta.url);

interface Row {
  readonly path: string;
  readonly about: string;
  readonly shown: string;
}

/** The text of the chart's README: a table of the values, from their comments in values.yaml. */
export function chartPage(): string {
  const { contents } = parseDocument(readFileSync(VALUES, 'utf8'));
  if (!isMap(contents)) throw new Error('values.yaml is not a map');
  const rows = rowsOf(contents, '').map(({ path, about, shown }) => `| \`${path}\` | ${shown} | ${about} |`);
  return `# Helm chart of brigade-acr-gateway

<!-- Generated from values.yaml by npm run docs. Do not edit. -->

Runs the gateway next to Brigade 2. It accepts the values files of v0.4.1. It needs Kubernetes 1.27 and Helm 3.8, or newer.
The guide is [install](../../docs/install.md). No version is published yet.

<!-- needs: cluster -->
\`\`\`console
$ helm inspect values oci://ghcr.io/brigadecore/brigade-acr-gateway --version ${packageJson.version} > values.yaml
$ helm install brigade-acr-gateway oci://ghcr.io/brigadecore/brigade-acr-gateway --version ${packageJson.version} \\
    --create-namespace --namespace brigade-acr-gateway --values values.yaml --wait --timeout 300s
$ helm test brigade-acr-gateway --namespace brigade-acr-gateway --logs
\`\`\`

You must set \`brigade.apiToken\` (or \`brigade.existingSecret\`, or \`sink.url\` for another sink). A value that is not listed
here is an error.

| value | default | meaning |
|---|---|---|
${rows.join('\n')}
`;
}

/** A value with a comment gets a row; a map without one gets a row for each of its values. YAML attaches the first comment of a map to the map. */
function rowsOf(map: YAMLMap, above: string): readonly Row[] {
  return map.items.flatMap((pair, index) => {
    const { key, value } = pair;
    const path = `${above}${isScalar(key) ? key.value : ''}`;
    const comment = (isScalar(key) ? key.commentBefore : undefined) ?? (index === 0 ? map.commentBefore : undefined);
    const isBranch = isMap(value) && value.items.length > 0;
    if (comment) return [{ path, about: sentence(comment), shown: shownDefault(pair) }];
    if (isBranch) return rowsOf(value, `${path}.`);
    throw new Error(`values.yaml has no comment for ${path}`);
  });
}

function sentence(comment: string): string {
  // Of several comments, those before an empty line belong to the value above.
  const [own = ''] = comment.split(/\n\s*\n/).slice(-1);
  return own
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim()
    .replaceAll('|', '\\|');
}

function shownDefault({ value }: Pair): string {
  const text = JSON.stringify(value);
  return text === '""' || text === 'null' ? 'none' : `\`${text}\``;
}
