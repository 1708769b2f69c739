import * as v from 'valibot';
import { ADMIN_TOKEN_NAME, type AdminToken, ROLES } from '../model/admin-token.ts';
import type { Parsed } from '../model/parsed.ts';
import { parseJsonText } from './json-text.ts';
import { callerName } from './policy.ts';
import { fields, named, oneOf, read, textThat } from './schema.ts';
import { ONE_TOKEN, rejectDuplicates, TOKEN_FIELDS } from './tokens-file.ts';

const name = textThat(
  `a name of 1 to 128 printable characters, and not \`${ADMIN_TOKEN_NAME}\`, which is the name of \`ADMIN_TOKEN\``,
  (given) => v.is(callerName, given) && given !== ADMIN_TOKEN_NAME,
);

const entry = v.pipe(
  fields({ ...TOKEN_FIELDS, role: oneOf(ROLES) }),
  v.partialCheck(
    [['token'], ['sha256']],
    (given) => (given.token === undefined) !== (given.sha256 === undefined),
    ONE_TOKEN,
  ),
  v.transform(({ token, sha256, role }) => ({ digest: token ?? sha256 ?? new Uint8Array(), role })),
);

const adminTokensFile = v.pipe(
  named(name, entry, 'a JSON object with a token and a role under each name'),
  v.rawCheck(rejectDuplicates),
  v.transform((entries): readonly AdminToken[] => [...entries].map(([key, value]) => ({ name: key, ...value }))),
);

/**
 * Reads a file of admin tokens: under each name `{"token" or "sha256", "role": "read" or "operate"}`. `{}` is valid and revokes
 * every token.
 *
 * Never throws. Reports every issue, and none repeats a token.
 */
export function parseAdminTokens(content: Uint8Array): Parsed<readonly AdminToken[]> {
  const json = parseJsonText(new TextDecoder().decode(content));
  return json.kind === 'issues' ? json : read(adminTokensFile, json.value.value, json.value.placeOf);
}
