import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkProject, type WorkerTemplate, workerSpec } from './project.ts';
import { detail } from './schema-check.ts';

/** The violations of a project with this worker template. */
function violations(workerTemplate: object): readonly string[] {
  const project = {
    apiVersion: 'brigade.sh/v2',
    kind: 'Project',
    metadata: { id: 'acr-all' },
    spec: { workerTemplate },
  };
  const checked = checkProject(project);
  return checked.kind === 'valid' ? [] : checked.violations.map(detail);
}

const TEMPLATE = 'spec.workerTemplate';

test('a timeoutDuration is a number and a unit, or several of them', () => {
  for (const timeoutDuration of ['1h', '300ms', '3.14s', '2h45m', '1.h', '0s', '5µs']) {
    assert.deepEqual(violations({ timeoutDuration }), [], timeoutDuration);
  }
  for (const timeoutDuration of ['10', '1d', '+1s', '-1s', '.5s', '1 h', 'ten minutes', '1h30']) {
    assert.deepEqual(
      violations({ timeoutDuration }),
      [`${TEMPLATE}.timeoutDuration: Does not match pattern '^([0-9]+(\\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$'`],
      timeoutDuration,
    );
  }
});

test('a timeoutDuration has at least two characters', () => {
  for (const timeoutDuration of ['', 's']) {
    assert.ok(
      violations({ timeoutDuration }).includes(
        `${TEMPLATE}.timeoutDuration: String length must be greater than or equal to 2`,
      ),
    );
  }
});

test('job policies may name image pull secrets, which the worker of an event gets', () => {
  const template: WorkerTemplate = { jobPolicies: { kubernetes: { imagePullSecrets: ['registry'] } } };
  assert.deepEqual(violations(template), []);
  assert.deepEqual(workerSpec(template, undefined).jobPolicies, {
    allowPrivileged: false,
    allowDockerSocketMount: false,
    kubernetes: { imagePullSecrets: ['registry'] },
  });
  assert.deepEqual(violations({ jobPolicies: { kubernetes: { imagePullSecrets: null } } }), []);
  assert.ok(violations({ jobPolicies: { kubernetes: { imagePullSecrets: ['Registry'] } } }).length > 0);
  assert.ok(violations({ jobPolicies: { kubernetes: { secrets: [] } } }).length > 0);
});

test('command and arguments of a container are arrays, never null', () => {
  for (const field of ['command', 'arguments']) {
    assert.deepEqual(violations({ container: { [field]: null } }), [
      `${TEMPLATE}.container.${field}: Invalid type. Expected: array, given: null`,
      `${TEMPLATE}.container: Must validate all the schemas (allOf)`,
    ]);
  }
  assert.deepEqual(violations({ container: { command: [], arguments: ['x'], environment: null } }), []);
});

test('a container with several violations has one line for its allOf', () => {
  assert.deepEqual(violations({ container: { image: 5, colour: 'blue', command: [1] } }).toSorted(), [
    `${TEMPLATE}.container.command.0: Invalid type. Expected: string, given: integer`,
    `${TEMPLATE}.container.image: Invalid type. Expected: string, given: integer`,
    `${TEMPLATE}.container: Additional property colour is not allowed`,
    `${TEMPLATE}.container: Must validate all the schemas (allOf)`,
  ]);
});
