// Makes the pages live; without it they work by links and forms. When the gateway reports a change, the page is read again, and
// its parts marked `data-live` are replaced. A part that is in use stays as it is.

const REFRESH_MS = 1000;
const TYPING_MS = 250;

let address = location.href;
let isDue = false;
let latest = 0;

function isInUse(part) {
  const selection = getSelection();
  const isSelecting = selection !== null && !selection.isCollapsed && part.contains(selection.anchorNode);
  return part.contains(document.activeElement) || isSelecting || part.querySelector(':checked, [open]') !== null;
}

async function refresh() {
  const number = ++latest;
  const response = await fetch(address, { headers: { accept: 'text/html' } });
  if (response.redirected) location.reload(); // The session is over.
  if (number !== latest) return;
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  for (const part of document.querySelectorAll('[data-live]')) {
    const next = page.getElementById(part.id);
    if (next !== null && !isInUse(part) && !part.isEqualNode(next)) part.replaceWith(document.adoptNode(next));
  }
}

/** Once, however often it is called meanwhile. */
function refreshIn(ms) {
  if (isDue) return;
  isDue = true;
  setTimeout(() => {
    isDue = false;
    if (!document.hidden) refresh().catch(() => {}); // The next change tries again.
  }, ms);
}

function followChanges() {
  const stream = new EventSource('/api/stream');
  for (const kind of ['event', 'stats']) {
    if (document.querySelector(`[data-live~="${kind}"]`) === null) continue;
    stream.addEventListener(kind, () => refreshIn(REFRESH_MS));
  }
}

function searchWhileTyping(form) {
  let typing;
  form.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const fields = [...new FormData(form)].filter(([, value]) => value !== '');
      // Not `form.action`: that is the field of that name.
      address = `${location.pathname}?${new URLSearchParams(fields)}`;
      history.replaceState(null, '', address);
      refreshIn(0);
    }, TYPING_MS);
  });
}

document.documentElement.classList.add('is-live');
document.addEventListener('visibilitychange', () => refreshIn(0));
document.addEventListener('change', ({ target }) => {
  if (!target.matches('[data-select-all]')) return;
  for (const box of target.form.elements) if (box.name === 'seq') box.checked = target.checked;
});
for (const form of document.querySelectorAll('form[data-search]')) searchWhileTyping(form);
if (document.querySelector('[data-live]') !== null) followChanges();
