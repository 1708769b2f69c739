import type { Hono } from 'hono';
import { formatIssue, read } from '../../config/schema.ts';
import type { Clock } from '../../model/clock.ts';
import * as schemas from '../api/schemas.ts';
import { LIMITS } from '../limits.ts';
import type { Operator } from '../operator.ts';
import { bulkPage } from './change-pages.ts';
import { subjectOf } from './display.ts';
import { eventList } from './event-list.ts';
import { eventPage } from './event-page.ts';
import { filterIn, givenTexts } from './filter-texts.ts';
import { healthPage } from './health-page.ts';
import { type ConsoleEnv, notFound, show, wantsPage } from './layout.ts';
import { overviewPage } from './overview-page.ts';
import { redeliveriesPage } from './redeliveries-page.ts';
import { settingsPage } from './settings-page.ts';
import { turnedAwayPage } from './turned-away-page.ts';

/** How far back the counts of what was turned away go, milliseconds. */
const TURNED_AWAY_MS = 24 * 60 * 60 * 1000;

export interface ViewOptions {
  readonly operator: Operator;
  readonly clock: Clock;
  readonly healthy: () => boolean;
  /** Undefined when ready, otherwise the reason. */
  readonly unreadiness: () => Promise<string | undefined>;
}

/** The pages that change nothing. */
export function addViews(pages: Hono<ConsoleEnv>, { operator, clock, healthy, unreadiness }: ViewOptions): void {
  pages.get('/', async (c) => {
    const body = overviewPage(await operator.overview(), c.var.viewer);
    return show(c, { title: 'Overview', at: '/', body });
  });
  for (const list of ['events', 'dead-letters'] as const) {
    pages.get(`/${list}`, async (c) => {
      const texts = givenTexts(c.req.query());
      const query = read(schemas.eventsQuery, list === 'events' ? texts : { ...texts, state: 'dead-lettered' });
      const title = list === 'events' ? 'Events' : 'Dead letters';
      const parts = { list, texts, viewer: c.var.viewer };
      if (query.kind === 'issues') {
        const body = eventList({ ...parts, records: [], issues: query.issues.map(formatIssue) });
        return show(c, { title, at: `/${list}`, body }, 400);
      }
      const { limit, cursor, ...conditions } = query.value;
      const before = cursor === undefined ? {} : { before: cursor };
      const found = await operator.find({ ...schemas.filterOf(conditions, clock.now()), ...before, limit });
      return show(c, { title, at: `/${list}`, body: eventList({ ...parts, ...found, issues: [] }) });
    });
  }
  pages.get('/events/:seq', async (c) => {
    const seq = read(schemas.seqParameter, c.req.param());
    const details = seq.kind === 'issues' ? undefined : await operator.show(seq.value.seq);
    if (details === undefined) return notFound(c);
    const { event } = details.record;
    const title = `${event.action} ${subjectOf(event)}`;
    return show(c, { title, at: '/events', body: eventPage(details, c.var.viewer) });
  });
  pages.get('/turned-away', async (c) => {
    const until = clock.now();
    const counts = await operator.turnedAway({ from: until - TURNED_AWAY_MS, until });
    const body = turnedAwayPage(counts, await operator.recentlyTurnedAway(LIMITS.defaultListed));
    return show(c, { title: 'Turned away', at: '/turned-away', body });
  });
  pages.get('/redeliveries', async (c) => {
    const body = redeliveriesPage(await operator.redeliveries(), c.var.viewer);
    return show(c, { title: 'Redeliveries', at: '/redeliveries', body });
  });
  for (const change of ['redeliveries', 'discards'] as const) {
    pages.get(`/${change}/new`, async (c) => {
      const filter = filterIn(givenTexts(c.req.query()), clock.now());
      if (filter === undefined) return notFound(c);
      const isDiscard = change === 'discards';
      const matches = await (isDiscard ? operator.discardable(filter) : operator.redeliverable(filter));
      const title = isDiscard ? 'Discard dead letters' : 'Redeliver events';
      return show(c, { title, at: `/${change}`, body: bulkPage({ change, filter, matches }) });
    });
  }
  pages.get('/settings', (c) =>
    show(c, { title: 'Settings', at: '/settings', body: settingsPage(operator.settings()) }),
  );
  pages.get('/health', async (c) => {
    const { journal } = await operator.overview();
    const body = healthPage({ isHealthy: healthy(), unreadiness: await unreadiness(), journal });
    return show(c, { title: 'Health', at: '/health', body });
  });
  pages.get('*', (c, next) => (wantsPage(c) ? notFound(c) : next()));
}
