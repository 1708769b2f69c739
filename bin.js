#!/usr/bin/env node
// Plain JavaScript, so that a Node that cannot run the TypeScript sources can still say so in a sentence.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `brigade-acr-gateway needs Node 24 or newer, and this is Node ${process.versions.node}. ` +
      'On linux-x64 "npm ci" brings one: run it, then "npm start" or "npx brigade-acr-gateway".\n',
  );
  process.exit(1);
}
await import('./src/bin.ts');
