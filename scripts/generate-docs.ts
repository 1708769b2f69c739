import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedPages } from './pages.ts';

// `npm run docs`: writes the pages that are generated from the sources.
for (const [name, text] of Object.entries(generatedPages())) {
  writeFileSync(join(import.meta.dirname, '..', name), text);
  process.stdout.write(`${name}\n`);
}
