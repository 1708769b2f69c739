#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

// The sources are TypeScript and run as they are: what Node made of them is kept for the next start.
enableCompileCache();
const { main } = await import('./cli/main.ts');
process.exitCode = await main(process.argv.slice(2));
