import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routeOf } from './routes.ts';

const ASKING = { 'webhook-request-origin': 'eventgrid.azure.net' };

function summary(method: string, url: string, headers = {}): string {
  const route = routeOf({ method, url, headers });
  return route.kind === 'rejected' ? [route.answer.status, ...route.answer.headers].join(' ') : route.kind;
}

const routes: readonly (readonly [string, string, string])[] = [
  ['POST', '/events', 'webhook'],
  ['POST', '/events?region=westeurope', 'webhook'],
  ['POST', 'http://gateway.example/events', 'webhook'],
  ['POST', '/events/', '301 Location /events'],
  ['POST', '/events/?region=westeurope', '301 Location /events'],
  ['POST', '//events', '301 Location /events'],
  ['POST', '//gateway.example/events', '404 Content-Type text/plain; charset=utf-8 X-Content-Type-Options nosniff'],
  ['GET', '/healthz', 'health'],
  ['GET', '/healthz/', '301 Location /healthz'],
  ['GET', '/events', '405'],
  ['PUT', '/events', '405'],
  ['OPTIONS', '/events', '405'],
  ['OPTIONS', '/events/', '405'],
  ['OPTIONS', '/healthz', '405'],
  ['GET', '/events/', '405'],
  ['HEAD', '/healthz', '405'],
  ['POST', '/healthz', '405'],
];

for (const [method, url, expected] of routes) {
  test(`${method} ${url} leads to ${expected}`, () => assert.equal(summary(method, url), expected));
}

for (const [method, url, expected] of [
  ['OPTIONS', '/events', 'permission'],
  ['OPTIONS', '/events?access_token=x', 'permission'],
  ['OPTIONS', '/events/', '405'],
  ['OPTIONS', '/healthz', '405'],
  ['POST', '/events', 'webhook'],
] as const) {
  test(`${method} ${url} with WebHook-Request-Origin leads to ${expected}`, () =>
    assert.equal(summary(method, url, ASKING), expected));
}

for (const url of ['', '/', '*', '/nope', '/Events', '/events/1', '/eventsx', '?/events', 'ftp://host/events']) {
  test(`${JSON.stringify(url)} is not found`, () => assert.match(summary('POST', url), /^404/));
}

test('a path of a million slashes costs no more than its length', () => {
  assert.match(summary('POST', '/'.repeat(1_000_000)), /^404/);
});
