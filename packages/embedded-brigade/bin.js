#!/usr/bin/env -S node --disable-sigusr1
// Plain JavaScript, so that an older Node can still report that it cannot run the TypeScript sources.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(`embedded-brigade needs Node 24 or newer. This is Node ${process.versions.node}.\n`);
  process.exit(1);
}
const { main } = await import('./src/cli.ts');
process.exitCode = await main(process.argv.slice(2));
