#!/usr/bin/env -S MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TRIM_THRESHOLD_=131072 node --max-semi-space-size=8 --disable-sigusr1
import module from 'node:module';

// Plain JavaScript, so that a Node that cannot run the TypeScript sources can still say so in a sentence.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `brigade-acr-gateway needs Node 24 or newer, and this is Node ${process.versions.node}. ` +
      'On linux-x64 "npm ci" brings one: run it, then "npm start" or "npx brigade-acr-gateway".\n',
  );
  process.exit(1);
}
// The sources are TypeScript and run as they are. What Node made of them is kept for the next start, which then need not
// even load what strips the types.
module.enableCompileCache();
await import('./src/bin.ts');
