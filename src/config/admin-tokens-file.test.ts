import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseAdminTokens } from './admin-tokens-file.ts';
import { formatIssue } from './schema.ts';

function reportOf(text: string): readonly string[] {
  const parsed = parseAdminTokens(Buffer.from(text));
  return parsed.kind === 'issues' ? parsed.issues.map(formatIssue) : [];
}

describe('a file of admin tokens', () => {
  it('has under each name a token or its digest, and a role', () => {
    const digest = hash('sha256', 's3cret', 'buffer');
    const text = JSON.stringify({
      alice: { token: 's3cret', role: 'operate' },
      bob: { sha256: hash('sha256', 'other'), role: 'read' },
    });
    assert.deepEqual(parseAdminTokens(Buffer.from(text)), {
      kind: 'value',
      value: [
        { name: 'alice', digest, role: 'operate' },
        { name: 'bob', digest: hash('sha256', 'other', 'buffer'), role: 'read' },
      ],
    });
  });

  it('may be empty: then it revokes every token', () => {
    assert.deepEqual(parseAdminTokens(Buffer.from('{}')), { kind: 'value', value: [] });
  });

  for (const [what, text, issue] of [
    ['no role', '{"a": {"token": "x"}}', 'a: `role` is required'],
    ['an unknown role', '{"a": {"token": "x", "role": "root"}}', 'a.role: must be one of `read`, `operate`'],
    ['no token', '{"a": {"role": "read"}}', 'either `token` or `sha256` is required, and not both'],
    ['an empty token', '{"a": {"token": "", "role": "read"}}', 'a.token: must be a token, not empty'],
    ['the digest of nothing', `{"a": {"sha256": "${hash('sha256', '')}", "role": "read"}}`, 'a.sha256: must be'],
    ['a token alone', '{"a": "x"}', 'a: must be an object with token, sha256, role'],
    ['the name of ADMIN_TOKEN', '{"admin": {"token": "x", "role": "read"}}', 'each name must be'],
    ['a field that it does not know', '{"a": {"token": "x", "role": "read", "rol": 1}}', '`rol` is not a known field'],
    [
      'one token twice',
      '{"a": {"token": "x", "role": "read"}, "b": {"token": "x", "role": "operate"}}',
      'must have a token of its own, not that of a',
    ],
    ['no JSON', 'alice', 'line 1'],
  ] as const) {
    it(`with ${what} is rejected`, () => {
      const report = reportOf(text);
      assert.ok(
        report.some((each) => each.includes(issue)),
        JSON.stringify(report),
      );
    });
  }
});
