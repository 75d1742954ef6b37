// The page of a claim follows the claim: its parts are fetched again when its status changes, until it is closed.

const live = document.getElementById("live");
const status = () => document.getElementById("status");
const POLL_MILLISECONDS = 5000;
let events;
let polling;
let isAsking = false;
let isOutdated = false;

// The same as ClaimPage.signature: it changes with what the page shows.
function signature(claim) {
  const seconds = claim.content?.items.reduce((sum, item) => sum + item.seconds_completed, 0);
  return [
    claim.stage, claim.attention, claim.progress.done, claim.due_at, seconds, claim.sessions?.claimed,
    claim.sessions?.total_units, claim.attempts.length, claim.certificate?.state, Number(claim.is_extension_requested),
  ].join("|");
}

// What changes while the page is being fetched may not be in it yet, so that it is fetched once more.
async function refresh() {
  isOutdated = true;
  if (isAsking) return;
  isAsking = true;
  try {
    while (isOutdated) {
      isOutdated = false;
      await fetchPage();
    }
  } finally {
    isAsking = false;
  }
}

async function fetchPage() {
  const answer = await fetch(live.dataset.page, { headers: { Accept: "text/html" } }).catch(() => undefined);
  const text = answer?.ok ? await answer.text().catch(() => undefined) : undefined;
  if (text === undefined) return poll();
  if (events && events.readyState === EventSource.OPEN) stopPolling();
  show(new DOMParser().parseFromString(text, "text/html"));
}

function show(page) {
  const fresh = page.getElementById("live");
  if (!fresh) return;
  const said = page.getElementById("status").dataset.announcement;
  if (said !== status().dataset.announcement) document.getElementById("announcement").textContent = said;
  status().replaceWith(page.getElementById("status"));
  const form = document.getElementById("next");
  const next = page.getElementById("next");
  // A form that somebody is filling in stays, as long as it is the one to fill in.
  if (form.dataset.form !== next.dataset.form) form.replaceWith(next);
  live.dataset.signature = fresh.dataset.signature;
  if (fresh.dataset.events) return;
  delete live.dataset.events;
  stop();
}

// A browser opens few connections to one site, so only the tab that is looked at listens.
function listen() {
  if (!live?.dataset.events || document.hidden) return;
  if (!window.EventSource) return poll();
  events = new EventSource(live.dataset.events);
  events.addEventListener("status", (event) => {
    if (signature(JSON.parse(event.data)) !== live.dataset.signature || isUndecided()) refresh();
  });
  events.addEventListener("end", () => { stop(); refresh(); });
  events.addEventListener("error", () => { if (events.readyState === EventSource.CLOSED) poll(); });
}

document.addEventListener("visibilitychange", () => { stop(); listen(); });
listen();

function isUndecided() {
  return document.querySelector("[data-undecided]") !== null;
}

function poll() {
  polling ??= setInterval(() => isAsking || refresh(), POLL_MILLISECONDS);
}

function stop() {
  events?.close();
  stopPolling();
}

function stopPolling() {
  clearInterval(polling);
  polling = undefined;
}

// The time that is left, counted down from what the server said, whatever this device's clock says.
const started = new WeakMap();
setInterval(() => {
  for (const left of document.querySelectorAll("[data-seconds]")) {
    if (!started.has(left)) started.set(left, performance.now());
    const seconds = Math.max(0, Math.ceil(Number(left.dataset.seconds) - (performance.now() - started.get(left)) / 1000));
    left.textContent = left.dataset.words.replace("{n}", seconds);
    if (seconds === 0) poll();
  }
}, 500);
