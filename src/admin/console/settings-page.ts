import { html } from 'hono/html';
import { printable } from '../../model/printable.ts';
import type { SettingInEffect } from '../../model/setting.ts';
import type { Html } from './display.ts';

export function settingsPage(settings: readonly SettingInEffect[]): Html {
  const rows = settings.map(
    ({ name, value, source }) =>
      html`<tr><th scope="row">${name}</th><td class="break">${value === undefined ? html`<span class="dim">not set</span>` : html`<code>${printable(value)}</code>`}</td><td class="dim wide">${source}</td></tr>`,
  );
  return html`<div class="card"><table><thead><tr><th>Setting</th><th>Value</th><th class="wide">From</th></tr></thead><tbody>${rows}</tbody></table></div>
<p class="dim">Secrets are hidden. Settings are read when the gateway starts.</p>`;
}
