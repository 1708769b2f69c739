import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { Access } from '../access.ts';
import { assets } from './assets.ts';
import { addChanges } from './changes.ts';
import { type ConsoleEnv, wantsPage } from './layout.ts';
import { loginPage } from './login-page.ts';
import { addViews, type ViewOptions } from './views.ts';

export interface ConsoleOptions extends ViewOptions {
  readonly access: Access;
}

/** Nothing inline, and nothing from elsewhere: a text that became markup could neither run nor send anything. */
const HEADERS = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    styleSrc: ["'self'"],
    scriptSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: 'DENY',
  // Without a referrer, a browser would not name the origin of a form either.
  referrerPolicy: 'same-origin',
  // The port may be used without TLS, and on a host name with other services.
  strictTransportSecurity: false,
});

/**
 * The pages for a browser. They work by links and forms alone; `live.js` only saves the reload. A visitor sees and changes what its
 * token may see and change by the API.
 */
export function consolePages(options: ConsoleOptions): Hono<ConsoleEnv> {
  const { access, operator } = options;
  const pages = new Hono<ConsoleEnv>();
  pages.use(HEADERS);
  pages.route('/assets', assets());
  pages.use(async (c, next) => {
    c.header('cache-control', 'no-store');
    await next();
  });
  addLogin(pages, access);
  pages.use(async (c, next) => {
    if (wantsPage(c) && access.isOpen && access.identify(c) === undefined) return c.redirect('/login', 303);
    await next();
    return undefined;
  });
  pages.use(access.requires('read'));
  pages.on('POST', '*', access.requires('operate'));
  pages.use(async (c, next) => {
    const { name, role } = c.var.admin;
    c.set('viewer', { name, mayOperate: role === 'operate', deliveries: await operator.deliveries() });
    await next();
  });
  addViews(pages, options);
  addChanges(pages, options);
  return pages;
}

function addLogin(pages: Hono<ConsoleEnv>, access: Access): void {
  pages.get('/login', (c) => {
    const code = c.req.query('code');
    if (code === undefined) return c.html(loginPage());
    return access.logInOnce(c, code) === undefined
      ? c.html(loginPage('This link was used before, or is too old.'), 403)
      : c.redirect('/', 303);
  });
  pages.post('/login', async (c) => {
    const { token } = await c.req.parseBody();
    return typeof token === 'string' && access.logIn(c, token) !== undefined
      ? c.redirect('/', 303)
      : c.html(loginPage('This is not an admin token.'), 403);
  });
  pages.post('/logout', (c) => {
    access.logOut(c);
    return c.redirect('/login', 303);
  });
}
