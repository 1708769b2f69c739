import type { Context, Hono } from 'hono';
import { html } from 'hono/html';
import { formatIssue, read } from '../../config/schema.ts';
import type { Clock } from '../../model/clock.ts';
import * as schemas from '../api/schemas.ts';
import type { Operator } from '../operator.ts';
import { type Changed, changesPage } from './change-pages.ts';
import { type FilterTexts, filterIn, givenTexts } from './filter-texts.ts';
import { type ConsoleEnv, notFound, show } from './layout.ts';

/** The forms that change something. Each answers with the page that shows what it did, where there is one. */
export function addChanges(
  pages: Hono<ConsoleEnv>,
  { operator, clock }: { readonly operator: Operator; readonly clock: Clock },
): void {
  pages.post('/redeliveries', async (c) => {
    const seqs = await seqsIn(c);
    return seqs === undefined ? nothingSelected(c) : afterChange(c, await operator.redeliver(c.var.admin, seqs));
  });
  pages.post('/discards', async (c) => {
    const seqs = await seqsIn(c);
    return seqs === undefined ? nothingSelected(c) : afterChange(c, await operator.discard(c.var.admin, seqs));
  });
  pages.post('/redeliveries/new', async (c) => {
    const { perSecond, ...texts } = await textsIn(c);
    const filter = filterIn(texts, clock.now());
    const pace = read(schemas.perSecond, Number(perSecond));
    if (filter === undefined) return notFound(c);
    if (pace.kind === 'issues') return problem(c, `Events a second: ${pace.issues.map(formatIssue).join('; ')}`, 400);
    const job = await operator.startRedelivery(c.var.admin, filter, pace.value);
    return job === undefined
      ? problem(c, 'Another redelivery is running: wait for its end, or cancel it.', 409)
      : c.redirect('/redeliveries', 303);
  });
  pages.post('/redeliveries/:id/cancel', async (c) => {
    await operator.cancelRedelivery(c.var.admin, c.req.param('id'));
    return c.redirect('/redeliveries', 303);
  });
  pages.post('/discards/new', async (c) => {
    const filter = filterIn(await textsIn(c), clock.now());
    if (filter === undefined) return notFound(c);
    await operator.discardMatching(c.var.admin, filter);
    return c.redirect('/dead-letters', 303);
  });
  pages.post('/deliveries/pause', async (c) => {
    await operator.pause(c.var.admin);
    return c.redirect('/', 303);
  });
  pages.post('/deliveries/resume', async (c) => {
    await operator.resume(c.var.admin);
    return c.redirect('/', 303);
  });
}

async function textsIn(c: Context): Promise<FilterTexts> {
  const body = await c.req.parseBody();
  return givenTexts(Object.fromEntries(Object.entries(body).map(([name, value]) => [name, String(value)])));
}

/** The selected events. Undefined if there are none, or too many. */
async function seqsIn(c: Context): Promise<readonly number[] | undefined> {
  const { seq = [] } = await c.req.parseBody({ all: true });
  const body = read(schemas.bySeqs, { seqs: [seq].flat().map(Number) });
  return body.kind === 'issues' ? undefined : body.value.seqs;
}

/** The page of the event if it is the only one and changed; otherwise what became of each. */
function afterChange(c: Context<ConsoleEnv>, results: readonly Changed[]): Response | Promise<Response> {
  const [only] = results;
  const isDone = only?.kind === 'redelivered' || only?.kind === 'discarded';
  if (only !== undefined && results.length === 1 && isDone) return c.redirect(`/events/${only.seq}`, 303);
  return show(c, { title: 'Results', at: '/events', body: changesPage(results) });
}

function nothingSelected(c: Context<ConsoleEnv>): Response | Promise<Response> {
  return problem(c, 'No event was selected. Go back and select some.', 400);
}

function problem(c: Context<ConsoleEnv>, text: string, status: 400 | 409): Response | Promise<Response> {
  return show(c, { title: 'Nothing was changed', at: '', body: html`<p class="notice bad">${text}</p>` }, status);
}
