import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fits, KEY_PATTERN, OLD_VALUE_RULE, PROJECT_ID_RULE, SOURCE_RULE, VALUE_RULE } from './field-rules.ts';

test('a value may contain letters, digits and _ : / - . ? = *', () => {
  assert.ok(fits(VALUE_RULE, 'sha256:0a/b_c-d.e?f=*'));
});

for (const illegal of ['', 'a+b', 'a@b', 'a,b', 'a b', 'é', 'v1\n', 'x'.repeat(256)]) {
  test(`a value may not be ${JSON.stringify(illegal.slice(0, 10))} (${illegal.length} characters)`, () => {
    assert.ok(!fits(VALUE_RULE, illegal));
  });
}

test('a value of 255 characters is legal, and of 63 before v2.6.0', () => {
  assert.ok(fits(VALUE_RULE, 'x'.repeat(255)));
  assert.ok(fits(OLD_VALUE_RULE, 'x'.repeat(63)));
  assert.ok(!fits(OLD_VALUE_RULE, 'x'.repeat(64)));
});

test('a source has 5 to 63 characters and may contain an @, but no *', () => {
  assert.ok(fits(SOURCE_RULE, 'brigade.sh/acr@x'));
  assert.ok(!fits(SOURCE_RULE, 'acr.'));
  assert.ok(!fits(SOURCE_RULE, 'x'.repeat(64)));
  assert.ok(!fits(SOURCE_RULE, 'brigade.sh/*'));
});

test('a project id begins with a lower-case letter and does not end with a dash', () => {
  assert.ok(fits(PROJECT_ID_RULE, 'acr-demo-2'));
  for (const illegal of ['ab', '2acr', 'acr-', 'Acr', 'a_b']) assert.ok(!fits(PROJECT_ID_RULE, illegal), illegal);
});

test('a key has at least two letters, digits or dashes', () => {
  const pattern = new RegExp(KEY_PATTERN);
  for (const legal of ['repo', 'mediaType-2', 'k'.repeat(300)]) assert.match(legal, pattern);
  for (const illegal of ['', 'a', '_a', 'a_b', 'a.b', 'a-', '1a', '__proto__']) assert.doesNotMatch(illegal, pattern);
});
