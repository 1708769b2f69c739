import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { read } from '../house/repository.ts';
import { CASES, render, renderNotes, tryRender, type Values, withoutChance } from './helm.ts';
import { all, containerOf, gatewayPod, keysOf, the } from './objects.ts';
import { DEFAULTS, leavesOf, MINIMAL, merge, type Path, valueAt, withoutPath } from './values.ts';

/** Differs from v0.4.1; the changelog lists it. */
const CHANGED: ReadonlySet<string> = new Set(['brigade.apiIgnoreCertWarnings']);

/** Sets one value, given as `a.b.c`. */
function set(path: string, value: unknown): Values {
  const [name = '', ...rest] = path.split('.').toReversed();
  return rest.reduce<Values>((inner, each) => ({ [each]: inner }), { [name]: value });
}

/** The objects that an install with these values makes, or the errors. */
async function resultOf(values: Values): Promise<string> {
  const { ok, output, errors } = await tryRender(values);
  return ok ? withoutTest(withoutChance(output)) : errors;
}

/** The same values with a certificate that exists: generating one takes Helm longer than all the rest. */
function withCertificate(values: Values): Values {
  return values['tls'] === undefined ? { ...values, tls: { existingSecret: 'our-certificate' } } : values;
}

suite('the values of the chart', { concurrency: 4 }, () => {
  const cases = CASES.map((path) => withCertificate(parse(read(path))));

  for (const path of leavesOf(DEFAULTS)) {
    test(`have an effect: ${path.join('.')}`, async () => {
      const setting = cases.find((values) => valueAt(values, path) !== undefined && differs(values, path));
      assert.ok(setting, 'no values file in ci/ sets it to another value than the default');
      assert.notEqual(await resultOf(setting), await resultOf(withoutPath(setting, path)));
    });
  }

  const wrong: readonly (readonly [path: string, value: unknown, message: RegExp])[] = [
    ['replica', 2, /Additional property replica is not allowed/],
    ['replicas', 'two', /replicas: Invalid type. Expected: integer, given: string/],
    ['host', 'https://gateway', /host: Does not match pattern/],
    [
      'service.type',
      'Loadbalancer',
      /service.type must be one of the following: "ClusterIP", "NodePort", "LoadBalancer"/,
    ],
    ['service.nodePort', '30443', /service.nodePort: Invalid type. Expected: \[integer,null\]/],
    ['tls.cert', '-----BEGIN CERTIFICATE-----', /tls.cert: Does not match pattern/],
    ['tls.certmanager', {}, /tls: Additional property certmanager is not allowed/],
    ['ingress.annotations.priority', 1, /ingress.annotations.priority: Invalid type. Expected: string, given: integer/],
    ['brigade.apiAddress', 'brigade:443', /brigade.apiAddress: Does not match pattern/],
    ['brigade.ca.cert', '/etc/ca.crt', /brigade.ca.cert: Does not match pattern/],
    [
      'brigade.apiIgnoreCertWarnings',
      'maybe',
      /brigade.apiIgnoreCertWarnings: Invalid type. Expected: boolean, given: string/,
    ],
    ['tokens.ci', 12345, /tokens.ci: Invalid type. Expected: \[string,object\], given: integer/],
    ['tokens.ci', { token: 'one', registries: [] }, /tokens.ci: Additional property registries is not allowed/],
    ['journal.url', 'mysql://db', /journal.url: Does not match pattern/],
    ['journal.accessMode', 'ReadWriteMany', /journal.accessMode must be one of the following/],
    ['journal.reserve', '256Mi', /journal.reserve: Does not match pattern/],
    ['shutdownDelaySeconds', 3600, /shutdownDelaySeconds: Must be less than or equal to 600/],
    ['logLevel', 'verbose', /logLevel must be one of the following/],
    ['extraEnv', { NAME: 'value' }, /extraEnv: Invalid type. Expected: \[array,null\], given: object/],
    ['sink.url', 'https://broker.example.org', /sink.url: Does not match pattern/],
    ['sink.mode', 'batched', /sink.mode must be one of the following: "structured", "binary"/],
    ['sink.scheme', 'basic', /sink.scheme must be one of the following: "Bearer", "Basic"/],
    ['sink.token', 'token', /sink: Additional property token is not allowed/],
    ['sink.ca.cert', '/etc/ca.crt', /sink.ca.cert: Does not match pattern/],
    ['config', 'rules: []', /config: Invalid type. Expected: \[object,null\], given: string/],
    ['config.settings', { LOG_LEVEL: 'debug' }, /config: Additional property settings is not allowed/],
    ['config.rules', [{ ignore: { tags: [1.1] } }], /config.rules.0.ignore.tags.0: Invalid type. Expected: string/],
    ['config.rules', [{ name: 'neither' }], /config.rules.0: Must validate one and only one schema/],
    ['existingConfig.name', 'ours', /existingConfig: Additional property name is not allowed/],
    ['contentWindow', '1w', /contentWindow: Does not match pattern/],
    ['contentWindow', 600, /contentWindow: Invalid type. Expected: string, given: integer/],
    ['contentWindowRegions', 'eastus', /contentWindowRegions must be one of the following: "together", "apart"/],
    ['handshakeCredentials', true, /handshakeCredentials must be one of the following: "optional", "required"/],
    ['brigade.apiToken', '', /brigade.apiToken is required/],
    ['tls.certManager.enabled', true, /tls.certManager.issuerRef.name is required/],
    ['httpRoute.enabled', true, /httpRoute.parentRefs is required/],
    ['autoscaling.enabled', true, /autoscaling.enabled needs journal.url/],
    ['journal.storageClassName', 'azurefile-csi', /must be a block device/],
    ['tls', { generateSelfSignedCert: false, cert: 'Y2VydA==' }, /a certificate needs its key/],
  ];
  for (const [path, value, message] of wrong) {
    test(`are rejected with a reason: ${path}: ${JSON.stringify(value)}`, async () => {
      const { ok, errors } = await tryRender(merge(MINIMAL, set(path, value)));
      assert.ok(!ok);
      assert.match(errors, message);
    });
  }

  test('of Brigade beside those of a CloudEvents receiver get a note that they have no effect', async () => {
    const sink = { url: 'cloudevents+https://broker.example.org' };
    assert.doesNotMatch(await renderNotes({ sink }), /ignores brigade/);
    assert.match(await renderNotes({ ...MINIMAL, sink }), /sends nothing to Brigade and ignores brigade\.\*/);
  });

  test('are rejected if autoscaling has no CPU request to scale by', async () => {
    const { errors } = await tryRender(
      merge(MINIMAL, { autoscaling: { enabled: true }, journal: { url: 'postgres://db/j' } }),
    );
    assert.match(errors, /needs resources.requests.cpu/);
  });
});

/** The test pod has many of the same values; the test is about what they do to the gateway. */
function withoutTest(output: string): string {
  const documents = output.split(/^---$/m);
  return documents.filter((document) => !document.includes('/templates/tests/')).join();
}

/** Whether the value at the path differs from the default. */
function differs(values: Values, path: Path): boolean {
  return JSON.stringify(valueAt(values, path)) !== JSON.stringify(valueAt(DEFAULTS, path));
}

suite('a values file of v0.4.1', () => {
  const file = 'test/chart/fixtures/v0.4.1-values.yaml';

  test('has no value that was removed or has another default', () => {
    const old: Values = parse(read(file));
    const own = new Set(['host', 'brigade.apiToken', 'tokens.myToken']);
    const other = leavesOf(old).filter((path) => {
      const [was, is] = [valueAt(old, path), valueAt(DEFAULTS, path)];
      // A key without a value means none, as the default does.
      const isSame =
        was === null ? is === '' || JSON.stringify(is) === '{}' : JSON.stringify(was) === JSON.stringify(is);
      return !isSame && !own.has(path.join('.'));
    });
    assert.deepEqual(
      other.map((path) => path.join('.')),
      [...CHANGED],
    );
  });

  test('makes the Secrets and the Service of v0.4.1, and keeps its setting for certificates', async () => {
    const { documents } = await render(file);
    assert.deepEqual(keysOf(the(documents, 'Secret', 'brigade-acr-gateway')), ['brigadeAPIToken']);
    const config = the(documents, 'Secret', 'brigade-acr-gateway-config');
    assert.equal(config.stringData?.['tokens.json'], '{"myToken":"MySharedSecret"}');
    const cert = the(documents, 'Secret', 'brigade-acr-gateway-cert');
    assert.deepEqual([keysOf(cert), cert.type], [['tls.crt', 'tls.key'], 'Opaque']);
    assert.equal(the(documents, 'Service').spec?.ports?.[0]?.port, 443);
    const env = containerOf(gatewayPod(documents)).env ?? [];
    assert.equal(env.find(({ name }) => name === 'API_IGNORE_CERT_WARNINGS')?.value, 'true');
  });

  test('makes a Service with port 80 and no certificate if it turns TLS off', async () => {
    const { documents } = await render(merge(parse(read(file)), { tls: { enabled: false } }));
    assert.equal(the(documents, 'Service').spec?.ports?.[0]?.port, 80);
    assert.deepEqual(
      all(documents, 'Secret')
        .map(({ metadata }) => metadata.name)
        .sort(),
      ['brigade-acr-gateway', 'brigade-acr-gateway-config'],
    );
  });
});
