import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outages } from './outages.ts';

/** From 100 to 200 and from 300 to 400. */
function twoOutages(): Outages {
  const outages = new Outages();
  for (const from of [100, 300]) {
    outages.begin(from);
    outages.end(from + 100);
  }
  return outages;
}

test('without an outage there is none', () => {
  assert.equal(new Outages().after(0, 1000), 0);
});

test('every outage since a time counts, of the one that was on then the rest', () => {
  const outages = twoOutages();
  assert.equal(outages.after(0, 1000), 200);
  assert.equal(outages.after(150, 1000), 150);
  assert.equal(outages.after(200, 1000), 100);
  assert.equal(outages.after(400, 1000), 0);
});

test('an outage that goes on counts until now', () => {
  const outages = twoOutages();
  outages.begin(500);
  assert.equal(outages.after(0, 600), 300);
  assert.equal(outages.after(550, 600), 50);
});

test('an outage begins once, and an end without a beginning is none', () => {
  const outages = new Outages();
  outages.end(50);
  outages.begin(100);
  outages.begin(150);
  outages.end(200);
  outages.end(900);
  assert.equal(outages.after(0, 1000), 100);
});

test('a hundred outages are remembered, and older ones forgotten', () => {
  const outages = new Outages();
  for (let count = 0; count < 150; count++) {
    outages.begin(count * 10);
    outages.end(count * 10 + 1);
  }
  assert.equal(outages.after(0, 10_000), 100);
});
