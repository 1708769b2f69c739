import { html } from 'hono/html';
import type { Html } from './display.ts';
import { plainPage } from './layout.ts';

/** `problem`: why the visitor is here again. */
export function loginPage(problem?: string): Html {
  return plainPage(
    'Log in',
    html`<form method="post" action="/login" class="card stacked">
${problem === undefined ? '' : html`<p class="notice bad" role="alert">${problem}</p>`}
<label>Admin token <input type="password" name="token" required autofocus autocomplete="current-password"></label>
<button class="primary">Log in</button>
<p class="dim">The token is the one of ADMIN_TOKEN, or of a file that ADMIN_TOKEN_PATH or ADMIN_TOKENS_PATH names.</p>
</form>`,
  );
}
