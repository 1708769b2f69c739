import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { EXIT_CODES } from '../../src/cli/exit-codes.ts';
import { parseConfigFile } from '../../src/config/config-file.ts';
import { decode } from '../../src/decode/decode.ts';
import { toBrigadeEvent } from '../../src/sink/brigade/event-mapping.ts';
import { CHART, render } from '../chart/helm.ts';
import { DEFAULTS, merge, valueAt } from '../chart/values.ts';
import { logCalls } from '../house/log-events.ts';
import { list, pages, read, sources } from '../house/repository.ts';
import { blocksIn } from './blocks.ts';

/** Files, and the domain of Brigade. */
const FILE = /\.(?:crt|db|db\.(?:ballast|mark|owner)|js|json|sh|ts)$/;

/** Whether the chart has the value, or accepts any value at its place. */
function isValue(name: string): boolean {
  const path = name.split('.');
  const [first = ''] = path;
  return valueAt(DEFAULTS, path) !== undefined || JSON.stringify(DEFAULTS[first]) === '{}';
}

/** Whether the webhook in the documentation has the field. */
function isField(name: string): boolean {
  const webhook = blocksIn('json').find(({ page }) => page === 'docs/events.md');
  return valueAt(JSON.parse(webhook?.text ?? '{}'), name.split('.')) !== undefined;
}

/** Each match of the pattern's first group in the pages, with its page, that is not known. */
function unknown(pattern: RegExp, isKnown: (found: string, page: string) => boolean): readonly string[] {
  let count = 0;
  const found = pages().flatMap((page) =>
    [...read(page).matchAll(pattern)].flatMap(([, name = '']) => {
      count++;
      return isKnown(name, page) ? [] : [`${page}: ${name}`];
    }),
  );
  assert.ok(count > 0);
  return found;
}

suite('a name in the documentation', () => {
  const events: ReadonlySet<string | undefined> = new Set(logCalls().map(({ event }) => event));
  const nouns = new Set([...Object.keys(DEFAULTS), ...[...events].map((event) => event?.split('.')[0] ?? '')]);

  test('that begins like a value of the chart or a log event is one', () => {
    const isKnown = (name: string) =>
      !nouns.has(name.split('.')[0] ?? '') || FILE.test(name) || isField(name) || events.has(name) || isValue(name);
    // The changelog also names those that were renamed.
    const isKnownOrOld = (name: string, page: string) => page === 'CHANGELOG.md' || isKnown(name);
    assert.deepEqual(unknown(/`([a-z]\w*(?:\.\w+)+)(?::[^`]*|\[[^`]*)?`/g, isKnownOrOld), []);
    assert.ok(!isKnown('tls.nothing') && !isKnown('webhook.eaten'));
  });

  test('of an exit code exists', () => {
    // 137 is of Kubernetes: killed. v0.4.1's codes stand in tables, and not in such words.
    const codes = new Set([...Object.values(EXIT_CODES).map(({ code }) => String(code)), '137']);
    const pattern =
      /\b(?:exit(?:s|ed)?(?: code| with)?|end(?:s|ed)?(?: it| the process)? with)(?: exit code)? (\d+)\b/g;
    assert.deepEqual(
      unknown(pattern, (code) => codes.has(code)),
      [],
    );
  });

  test('of a version is that of the program', () => {
    const pattern = /(?:brigade-acr-gateway:|brigade-acr-gateway --version |VERSION=)(\d[\w.-]*)/g;
    assert.deepEqual(
      unknown(pattern, (version) => version === packageJson.version),
      [],
    );
  });

  test('of a message is in the sources of the program', () => {
    const texts = [...sources().map(read), read('bin.js'), ...list(`${CHART}/templates/*.tpl`).map(read)].join('\n');
    const quoted = [...read('docs/troubleshooting.md').matchAll(/^\|(?: 503| 40[13]| 421)? `([^`]+ [^`]+)`/gm)];
    const said = quoted.map(([, text = '']) => text).filter((text) => !OF_OTHERS.test(text));
    assert.ok(said.length > 8);
    const fragments = said.flatMap((text) => text.split(VARIABLE_PARTS)).map((part) => part.trim());
    assert.deepEqual(
      fragments.filter((fragment) => !texts.includes(fragment)),
      [],
    );
  });

  test('of a readiness exists, and none is missing', () => {
    const [, table = ''] = /`\/readyz` answers(.*?)\n\n/s.exec(read('docs/troubleshooting.md')) ?? [];
    const documented = [...table.matchAll(/`([a-z ]+)`/g)].map(([, text]) => text);
    const answered = [...read('src/gateway/readiness.ts').matchAll(/(?:return |resolve\(|end\()'([a-z ]+)'/g)].map(
      ([, text]) => text,
    );
    assert.deepEqual(documented.toSorted(), [...answered, 'ready'].toSorted());
  });
});

/** Parts of a message that its source does not spell out: an address, names of settings, and what the page leaves out. */
const VARIABLE_PARTS = /…|: |expected |127\.0\.0\.1:8080|[A-Z]+(?:_[A-Z]+)+/;

/** Messages of Helm and Kubernetes. */
const OF_OTHERS = /^(?:Additional property|chart requires|updates to statefulset|timed out)/;

suite('an example in the documentation', () => {
  test('of a values file is rendered by the chart', async () => {
    const blocks = blocksIn('yaml').filter(({ mark }) => mark === 'values');
    assert.ok(blocks.length > 5);
    const minimal = parse(read(`${CHART}/ci/minimal-values.yaml`));
    for (const text of [...blocks.map((block) => block.text), read('deploy/dev/values.yaml')]) {
      const { documents } = await render(merge(minimal, parse(text)));
      assert.ok(documents.length > 3);
    }
    await assert.rejects(render(merge(minimal, { tls: { nothing: true } })), /Additional property nothing/);
  });

  test('of a configuration file is accepted by the program', () => {
    const files = blocksIn('yaml').filter(({ mark }) => mark === 'config');
    assert.ok(files.length > 1);
    for (const { page, line, text } of files) {
      assert.equal(parseConfigFile(Buffer.from(text)).kind, 'value', `${page}:${line}`);
    }
    assert.equal(parseConfigFile(Buffer.from('nothing: 1')).kind, 'issues');
  });

  test('of a manifest names its kind', () => {
    const manifests = blocksIn('yaml').filter(({ mark }) => mark !== 'values' && mark !== 'config');
    for (const { page, line, text } of manifests) {
      const { apiVersion, kind, metadata } = parse(text);
      assert.ok(apiVersion && kind && metadata.name, `${page}:${line}`);
    }
  });

  test('of an event is what the gateway makes of the webhook above it', () => {
    const [webhook, event] = blocksIn('json').filter(({ page }) => page === 'docs/events.md');
    const body = Buffer.from(webhook?.text ?? '');
    const decoded = decode(body, {});
    const [first] = decoded.kind === 'decoded' ? decoded.events : [];
    assert.ok(first?.kind === 'event');
    const mapping = toBrigadeEvent({ event: first.event, payload: '…', delivery: 1 }, 'since-2.6');
    assert.deepEqual(mapping.kind === 'mapped' ? mapping.event : mapping, JSON.parse(event?.text ?? ''));
  });

  test('of a badge says what package.json says', () => {
    const { license, engines } = packageJson;
    const badges = decodeURIComponent(read('README.md'));
    assert.ok(badges.includes(`badge/licence-${license.replaceAll('-', '--')}-`));
    assert.ok(badges.includes(`badge/Node-${engines.node}-`));
  });
});
