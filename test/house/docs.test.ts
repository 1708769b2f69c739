import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { generatedPages } from '../../scripts/pages.ts';
import { parseAdminTokens } from '../../src/config/admin-tokens-file.ts';
import { parseTokens } from '../../src/config/tokens-file.ts';
import { DEV_VARIABLES, OPERATOR_VARIABLES, SEND_VARIABLES, SERVE_VARIABLES } from '../../src/config/variables.ts';
import { METRICS } from '../../src/observe/metrics.ts';
import { logCalls } from './log-events.ts';
import { isOwnCommand } from './own-commands.ts';
import { absolute, isSuperseded, pages, read } from './repository.ts';

const README_LINES = 150;
/** A page. */
const ADR_LINES = 60;

/** Every match of the pattern's first group that `isKnown` does not know, with its page; not in what was superseded. */
function unknown(pattern: RegExp, isKnown: (found: string, page: string) => boolean): readonly string[] {
  const current = pages().filter((page) => !isSuperseded(page));
  return current.flatMap((page) =>
    [...read(page).matchAll(pattern)]
      .map(([, found = '']) => found)
      .filter((found) => !isKnown(found, page))
      .map((found) => `${page}: ${found}`),
  );
}

/** The anchors that GitHub makes of headings. */
function anchorsOf(page: string): readonly string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function isAlive(link: string, page: string): boolean {
  if (/^(?:https?|mailto):/.test(link)) return true;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  return existsSync(absolute(target)) && (anchor === undefined || anchorsOf(target).includes(anchor));
}

describe('the documentation', () => {
  it('has no dead link', () => {
    assert.deepEqual(unknown(/\]\(([^)\s]+)\)/g, isAlive), []);
  });

  it('names the ADR that supersedes another', () => {
    const adrs = pages().filter((page) => page.startsWith('docs/adr/'));
    const superseded = adrs.filter((page) => /\bsuperseded\b/i.test(read(page).split('\n').slice(1, 4).join()));
    const dangling = superseded.filter((page) => {
      const [, later = ''] = /\bsuperseded by \[\d+\]\(([\w.-]+)\)/i.exec(read(page)) ?? [];
      return later <= basename(page) || !adrs.includes(`docs/adr/${later}`);
    });
    assert.deepEqual(dangling, []);
  });

  it('names paths that exist', () => {
    const path = /`((?:src|packages|docs|test|bench|scripts|examples|charts|deploy|image|\.ci)\/[^`\s*…]*)`/g;
    assert.deepEqual(
      // A decision record names the paths of its time.
      unknown(path, (found, page) => {
        const paths = [found, join(dirname(page), found)];
        return page.startsWith('docs/adr/') || paths.some((each) => existsSync(absolute(each)));
      }),
      [],
    );
  });

  it('names npm scripts that exist', () => {
    const scripts: ReadonlySet<string> = new Set(Object.keys(packageJson.scripts));
    assert.deepEqual(
      unknown(/\bnpm (?:run )?((?!ci\b|install\b|run\b)[a-z]+)\b(?=[`\s]*(?:$|[|)`&]))/gm, (found) =>
        scripts.has(found),
      ),
      [],
    );
  });

  it('names commands and flags that the program has', () => {
    const seen = new Set<string>();
    const isKnown = (words: string) => {
      seen.add(words);
      return isOwnCommand(words.trim().split(' '));
    };
    assert.deepEqual(unknown(/\bnpx brigade-acr-gateway((?: [\w-]+)+)/g, isKnown), []);
    assert.ok(seen.size > 5);
  });

  it('names settings that exist', () => {
    const all = { ...SERVE_VARIABLES, ...DEV_VARIABLES, ...OPERATOR_VARIABLES, ...SEND_VARIABLES };
    const names = new Set(Object.keys(all));
    // Capitals with another beginning are names of Brigade or of Node, and OpenTelemetry reads more of its own.
    const beginnings = new Set(Object.keys(all).map((name) => name.split('_')[0]));
    beginnings.delete('OTEL');
    const setting = /`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`/g;
    assert.deepEqual(
      unknown(setting, (found) => names.has(found) || !beginnings.has(found.split('_')[0])),
      [],
    );
  });

  it('names metrics that exist', () => {
    assert.deepEqual(
      // The changelog also names those that were renamed.
      unknown(/\b(acr_gateway_\w+)/g, (found, page) => page === 'CHANGELOG.md' || Object.hasOwn(METRICS, found)),
      [],
    );
  });

  it('contains the generated pages as npm run docs writes them', () => {
    for (const [name, text] of Object.entries(generatedPages())) assert.equal(read(name), text, name);
  });

  it('explains every log event, and no other', () => {
    const [, table = ''] = read('docs/operations.md').split(/^## Log$/m);
    const documented = [...(table.split(/^## /m)[0] ?? '').matchAll(/^\| `([\w.]+)` \|/gm)].map(([, name]) => name);
    const calls = logCalls();
    assert.deepEqual(
      calls.filter(({ event }) => event === undefined).map(({ at }) => at),
      [],
    );
    assert.deepEqual(documented.toSorted(), [...new Set(calls.map(({ event }) => event))].toSorted());
  });

  it('shows a valid tokens file', () => {
    const [, json = ''] = /```json\n(.*?)```/s.exec(read('docs/tokens.md')) ?? [];
    assert.equal(parseTokens(Buffer.from(json)).kind, 'value');
  });

  it('shows a valid file of admin tokens', () => {
    const [, json = ''] = /```json\n(.*?)```/s.exec(read('docs/admin-api.md')) ?? [];
    assert.equal(parseAdminTokens(Buffer.from(json)).kind, 'value');
  });

  it('keeps the README and each ADR short', () => {
    const long = pages().filter((page) => {
      const limit = page === 'README.md' ? README_LINES : ADR_LINES;
      const isLimited = page === 'README.md' || page.startsWith('docs/adr/');
      return isLimited && read(page).trimEnd().split('\n').length > limit;
    });
    assert.deepEqual(long, []);
  });
});
