import { readFile } from 'node:fs/promises';
import { Hono } from 'hono';

/** Every file that a page loads: there is no other, whatever path is asked for. */
const ASSETS = {
  'style.css': 'text/css; charset=utf-8',
  'live.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;

export function assets(): Hono {
  const files = new Hono();
  for (const [name, type] of Object.entries(ASSETS)) {
    files.get(`/${name}`, async (c) => {
      const bytes = await readFile(new URL(name, import.meta.url));
      return c.body(bytes, 200, { 'content-type': type, 'cache-control': 'no-cache' });
    });
  }
  return files;
}
