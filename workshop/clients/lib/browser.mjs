/**
 * The browser of a person who signs in and agrees to everything. It is made for the sandbox's pages only: it follows
 * redirects, keeps cookies, and submits the first form of a page.
 */
export class Browser {
  #person;
  #cookies = new Map();

  /** @param {string} person the short name: `ada` */
  constructor(person) {
    this.#person = person;
  }

  /**
   * Opens a page, and follows redirects and submits forms until there are none left.
   *
   * @param {string | URL} url
   * @returns {Promise<{ url: string, status: number, text: string }>} the last page
   */
  async visit(url) {
    let request = new Request(url);
    for (let steps = 0; steps < 20; steps++) {
      const response = await this.#send(request);
      const text = await response.text();
      const next = redirection(response, request) ?? this.#submission(text, request);
      if (!next) return { url: request.url, status: response.status, text };
      request = next;
    }
    throw new Error(`too many pages; the last was ${request.url.split('?')[0]}`);
  }

  async #send(request) {
    const { host, hostname } = new URL(request.url);
    const cookies = [...this.#jar(hostname)].map((pair) => pair.join('='));
    if (cookies.length > 0) request.headers.set('Cookie', cookies.join('; '));
    const response = await fetch(request, { redirect: 'manual' }).catch((error) => {
      throw new Error(`${host} cannot be reached: ${error.cause?.message ?? error.message}`);
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      if (/; *max-age=0/i.test(cookie)) this.#jar(hostname).delete(name);
      else this.#jar(hostname).set(name, value);
    }
    return response;
  }

  /** The cookies of a host: cookies ignore ports. */
  #jar(hostname) {
    if (!this.#cookies.has(hostname)) this.#cookies.set(hostname, new Map());
    return this.#cookies.get(hostname);
  }

  /** The request that submits the page's form with the person's answers. */
  #submission(page, { url }) {
    const [form, action] = /<form method="post" action="([^"]*)".*?<\/form>/s.exec(page) ?? [];
    if (!form) return undefined;
    const body = new URLSearchParams();
    for (const [, name, value] of form.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)) {
      body.append(unescape(name), unescape(value));
    }
    if (form.includes('name="account"')) body.append('account', this.#person);
    if (form.includes('name="decision"')) body.append('decision', 'accept');
    return new Request(new URL(unescape(action), url), { method: 'POST', body });
  }
}

function redirection(response, { url }) {
  const location = response.headers.get('Location');
  return location ? new Request(new URL(location, url)) : undefined;
}

function unescape(text) {
  const characters = { amp: '&', lt: '<', gt: '>', quot: '"' };
  return text.replace(/&(amp|lt|gt|quot);/g, (_, name) => characters[name]);
}
