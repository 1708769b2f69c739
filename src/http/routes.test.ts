import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routeOf } from './routes.ts';

function summary(method: string, target: string): string {
  const route = routeOf(method, target);
  return route.kind === 'rejected' ? [route.answer.status, ...route.answer.headers].join(' ') : route.kind;
}

const routes: readonly (readonly [string, string, string])[] = [
  ['POST', '/events', 'events'],
  ['POST', '/events?region=westeurope', 'events'],
  ['POST', 'http://gateway.example/events', 'events'],
  ['POST', '/events/', '301 Location /events'],
  ['POST', '/events/?region=westeurope', '301 Location /events'],
  ['POST', '//events', '301 Location /events'],
  ['POST', '//gateway.example/events', '404 Content-Type text/plain; charset=utf-8 X-Content-Type-Options nosniff'],
  ['GET', '/healthz', 'health'],
  ['GET', '/healthz/', '301 Location /healthz'],
  ['GET', '/events', '405'],
  ['PUT', '/events', '405'],
  ['OPTIONS', '/events', 'permission'],
  ['OPTIONS', '/events?access_token=x', 'permission'],
  ['OPTIONS', '/events/', '405'],
  ['OPTIONS', '/healthz', '405'],
  ['GET', '/events/', '405'],
  ['HEAD', '/healthz', '405'],
  ['POST', '/healthz', '405'],
];

for (const [method, target, expected] of routes) {
  test(`${method} ${target} leads to ${expected}`, () => assert.equal(summary(method, target), expected));
}

for (const target of ['', '/', '*', '/nope', '/Events', '/events/1', '/eventsx', '?/events', 'ftp://host/events']) {
  test(`${JSON.stringify(target)} is not found`, () => assert.match(summary('POST', target), /^404/));
}

test('a path of slashes alone costs no more than its length', () => {
  assert.match(summary('POST', '/'.repeat(1_000_000)), /^404/);
});
