import type { Context } from 'hono';
import { html } from 'hono/html';
import { printable } from '../../model/printable.ts';
import type { AdminEnv } from '../access.ts';
import type { DeliveriesState } from '../operator.ts';
import { type Html, instant } from './display.ts';

/** Whom a page is for, and the state that every page shows. */
export interface Viewer {
  /** The name of the admin token. */
  readonly name: string;
  /** Without it, a page has nothing to change anything with. */
  readonly mayOperate: boolean;
  readonly deliveries: DeliveriesState;
}

export interface ConsoleEnv {
  readonly Variables: AdminEnv['Variables'] & { readonly viewer: Viewer };
}

export interface PageParts {
  readonly title: string;
  /** The address of the entry in the navigation that the page belongs to. */
  readonly at: string;
  readonly body: Html;
}

const NAVIGATION = [
  ['/', 'Overview'],
  ['/events', 'Events'],
  ['/dead-letters', 'Dead letters'],
  ['/turned-away', 'Turned away'],
  ['/redeliveries', 'Redeliveries'],
  ['/settings', 'Settings'],
  ['/health', 'Health'],
] as const;

/** Answers with a page. */
export function show(
  c: Context<ConsoleEnv>,
  parts: PageParts,
  status: 200 | 400 | 404 | 409 = 200,
): Response | Promise<Response> {
  return c.html(page(c.var.viewer, parts), status);
}

export function notFound(c: Context<ConsoleEnv>): Response | Promise<Response> {
  const body = html`<p class="card">There is no such page or event. An event may have been pruned.</p>`;
  return show(c, { title: 'Not found', at: '', body }, 404);
}

/** A browser asks for a page; a program, for which the status is the answer, does not. */
export function wantsPage(c: Context): boolean {
  return (c.req.header('accept') ?? '').includes('text/html');
}

function page(viewer: Viewer, { title, at, body }: PageParts): Html {
  return html`${head(title)}
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<p class="brand">ACR gateway</p>
<nav aria-label="Pages">${NAVIGATION.map(
    ([path, name]) => html`<a href="${path}"${path === at ? html` aria-current="page"` : ''}>${name}</a>`,
  )}</nav>
<form method="post" action="/logout"><span class="dim">${viewer.name}</span><button>Log out</button></form>
</header>
<main id="main" tabindex="-1">
<div id="state" data-live="stats">${notices(viewer)}</div>
<h1>${title}</h1>
${body}
</main>
</body>
</html>`;
}

/** For a visitor who is not logged in. */
export function plainPage(title: string, body: Html): Html {
  return html`${head(title)}
<body>
<header class="top"><p class="brand">ACR gateway</p></header>
<main id="main"><h1>${title}</h1>${body}</main>
</body>
</html>`;
}

function head(title: string): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · ACR gateway</title>
<link rel="stylesheet" href="/assets/style.css">
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<script type="module" src="/assets/live.js"></script>
</head>`;
}

function notices({ deliveries: { paused, breaker, sink }, mayOperate }: Viewer): Html {
  const resume = html`<form method="post" action="/deliveries/resume"><button>Resume deliveries</button></form>`;
  const pause =
    paused &&
    html`<section class="notice" aria-label="Pause"><span>Deliveries are paused since ${instant(paused.at)} UTC by ${paused.by}. Webhooks are still accepted.</span>${mayOperate && resume}</section>`;
  const outage =
    breaker === 'open' &&
    html`<section class="notice bad" aria-label="Outage"><span>The sink takes no events${sink?.detail === undefined ? '' : `: ${printable(sink.detail)}`}. They wait, and are delivered when it is back.</span></section>`;
  return html`${pause}${outage}`;
}
