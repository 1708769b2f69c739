/** An answer of the gateway takes this long at most, milliseconds: a hundred redeliveries are spread over two seconds. */
const ANSWER_MS = 30_000;

/** The admin port of a running gateway said no, or nothing; the message is for the operator. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
}

/** Talks to the admin port of a running gateway. Its methods reject with an `AdminError`. */
export class AdminClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  // What is answered is the gateway's own JSON, of the same version: `any` on purpose, given its shape by the caller.
  get(path: string): ReturnType<typeof JSON.parse> {
    return this.#request('GET', path);
  }

  post(path: string, body: object): ReturnType<typeof JSON.parse> {
    return this.#request('POST', path, JSON.stringify(body));
  }

  async #request(method: string, path: string, body?: string): Promise<ReturnType<typeof JSON.parse>> {
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(this.#url + path, {
      method,
      headers,
      signal,
      body: body ?? null,
      redirect: 'error',
    }).catch((cause: unknown) => {
      throw new AdminError(`no gateway answers at ${this.#url}: is it running? ADMIN_URL names another`, { cause });
    });
    const text = await response.text();
    if (!response.ok) throw new AdminError(`the gateway at ${this.#url} answered ${response.status}: ${reason(text)}`);
    return JSON.parse(text);
  }
}

function reason(text: string): string {
  try {
    return String(JSON.parse(text).error);
  } catch {
    return text.slice(0, 200);
  }
}
