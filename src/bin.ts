#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

// The sources are TypeScript and run as they are: what Node made of them is kept for the next start.
enableCompileCache();
const { main } = await import('./cli/main.ts');
// After a fault a listener or a thread of the journal may be left, and would keep the process alive for ever.
process.exit(await main(process.argv.slice(2)));
