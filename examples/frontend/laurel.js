// A client of Laurel's public API: requests, steps, live status. It knows no rule and no route of a step.

const RETRY_MILLISECONDS = 2000;

/** What the API refused, as its problem document says it (RFC 9457). */
export class Refused extends Error {
  constructor(problem) {
    super(`${problem.title}. ${problem.detail}`);
    this.problem = problem;
  }
}

export class Laurel {
  /** @param {string} api  @param {string | null} token  the access token, once there is one */
  constructor(api, token) {
    this.api = api;
    this.token = token;
  }

  async get(path) {
    return (await this.send("GET", path)).document;
  }

  /**
   * Send a request. `key` makes a request that is repeated have one effect, whatever became of the first answer.
   * @returns {Promise<{status: number, document: any, location: string | null}>}
   */
  async send(method, path, body, key) {
    const headers = { Accept: "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    const answer = await fetch(this.api + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    const document = text ? JSON.parse(text) : null;
    if (!answer.ok) throw new Refused(document);
    return { status: answer.status, document, location: answer.headers.get("Location") };
  }

  /** Take a step of a claim. One that is received and not decided yet (202) is asked about until it is. */
  async take(action, body, key) {
    let { status, document } = await this.send(action.method, action.href, body, key);
    while (status === 202 && document.outcome === "undecided") {
      await pause(1000);
      document = await this.get(document.href);
    }
    if (document?.outcome === "refused") {
      throw new Refused({ title: "The step was refused", detail: document.code, code: document.code, details: document.details });
    }
    return document;
  }

  /** A file that only its owner may have, as an address within this page. */
  async file(path) {
    const answer = await fetch(this.api + path, { headers: { Authorization: `Bearer ${this.token}` } });
    if (!answer.ok) throw new Refused(await answer.json());
    return URL.createObjectURL(await answer.blob());
  }

  /**
   * The claim's status now and after each change, until the claim is closed. Server-sent events, read with fetch:
   * EventSource cannot send the access token. A stream that breaks is opened again, and begins with the status; so is
   * one that a busy server refused.
   */
  async *statuses(claim, signal) {
    for (;;) {
      try {
        const answer = await fetch(`${this.api}${claim}/events`, {
          headers: { Authorization: `Bearer ${this.token}`, Accept: "text/event-stream" }, signal,
        });
        if (answer.status >= 500) throw new Error(`the server answered ${answer.status}`);
        if (!answer.ok) throw new Refused(await answer.json());
        for await (const event of events(answer.body)) {
          if (event.name === "end") return;
          yield JSON.parse(event.data);
        }
      } catch (error) {
        if (error instanceof Refused || signal.aborted) throw error;
      }
      await pause(RETRY_MILLISECONDS);
    }
  }
}

/** The events of a stream: blocks of lines, each line a field. Lines that begin with a colon only keep it open. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = { name: "message", data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) event.name = line.slice(7);
        if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      if (event.data) yield event;
    }
  }
}

const pause = (milliseconds) => new Promise((go) => setTimeout(go, milliseconds));
