// The page: sign in, say who you are, choose an activity, and do what the claim's next_actions say until it is closed.

import { API } from "./config.js";
import { FORMS, element } from "./forms.js";
import { Laurel, Refused } from "./laurel.js";

const TOKEN = "laurel-access-token";
const PROFESSIONS = ["physician", "physician_assistant", "pharmacist", "pharmacy_technician", "nurse", "accountant", "other"];

// The access token lives as long as the tab, and no other origin can read it.
const laurel = new Laurel(API, sessionStorage.getItem(TOKEN));
const main = document.getElementById("main");
const problem = document.getElementById("problem");
let watching = new AbortController();

async function start() {
  const address = new URL(location.href);
  const token = address.searchParams.get("token");
  if (token) {
    // Nobody finds the token in the history of this browser.
    history.replaceState(null, "", address.pathname);
    await attempt(() => signIn(token));
  }
  await attempt(laurel.token ? afterSignIn : async () => showSignIn());
}

/** Do something, and show what is refused: in the API's own words, with what it says about it. */
async function attempt(work) {
  problem.replaceChildren();
  try {
    await work();
  } catch (error) {
    if (error instanceof TypeError) {
      problem.replaceChildren(element("p", {}, "Laurel cannot be reached. Nothing is lost: send it again in a moment."));
      return;
    }
    if (!(error instanceof Refused)) throw error;
    if (error.problem.code === "not_signed_in") {
      signOutHere();
    }
    const more = [
      ...(error.problem.errors ?? []).map((each) => `${each.pointer}: ${each.message ?? each.code}`),
      ...Object.entries(error.problem.details ?? {}).map(([name, value]) => `${name}: ${value}`),
    ];
    problem.replaceChildren(element("p", {}, error.message), element("ul", {}, ...more.map((each) => element("li", {}, each))));
    problem.focus();
  }
}

/**
 * A form whose button does something. What it sends has a key: sent again because the answer was lost, it has one
 * effect. Once it is answered, whatever is sent next is something new.
 */
function form(title, fields, button, send) {
  let key = crypto.randomUUID();
  const made = element("form", { "aria-label": title }, ...fields, element("button", {}, button));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      try {
        await send(new FormData(made), key);
        key = crypto.randomUUID();
      } catch (error) {
        if (error instanceof Refused) key = crypto.randomUUID();
        throw error;
      }
    });
  });
  return made;
}

const labelled = (label, name, attributes = {}) => element("label", {}, label, element("input", { name, required: true, ...attributes }));

function showSignIn() {
  main.replaceChildren(
    element("section", {}, element("h2", {}, "Sign in"),
      form("Ask for a link", [labelled("E-mail address", "email", { type: "email", autocomplete: "email" })], "Send me a link",
        async (typed, key) => {
          const { document: sent } = await laurel.send("POST", "/v1/session/links", { email: typed.get("email") }, key);
          problem.replaceChildren(element("p", {}, sent.message));
        }),
      form("Use a link", [labelled("The link from the e-mail", "link", { autocomplete: "one-time-code" })], "Sign in",
        async (typed) => {
          const pasted = typed.get("link").trim();
          await signIn(pasted.match(/[?&]token=([\w-]+)/)?.[1] ?? pasted);
          await afterSignIn();
        })),
  );
}

async function signIn(token) {
  const { document: session } = await laurel.send("POST", "/v1/session", { token }, crypto.randomUUID());
  laurel.token = session.access_token;
  sessionStorage.setItem(TOKEN, laurel.token);
}

function signOutHere() {
  watching.abort();
  sessionStorage.removeItem(TOKEN);
  laurel.token = null;
  showSignIn();
}

async function afterSignIn() {
  const me = await laurel.get("/v1/me");
  if (me.is_new || me.missing.length) showProfile(me);
  else await showActivities();
}

function showProfile(me) {
  const professions = element("select", { name: "profession" },
    ...PROFESSIONS.map((code) => element("option", { value: code, selected: code === me.profession }, code.replaceAll("_", " "))));
  main.replaceChildren(element("section", {}, element("h2", {}, "Who you are"),
    form("Profile", [
      labelled("Given name", "given_name", { value: me.given_name, autocomplete: "given-name" }),
      labelled("Family name", "family_name", { value: me.family_name, autocomplete: "family-name" }),
      labelled("Credentials, as on your certificate", "credentials", { value: me.credentials, required: false }),
      element("label", {}, "Profession", professions),
    ], "Save", async (typed, key) => {
      await laurel.send("PATCH", "/v1/me", Object.fromEntries(typed), key);
      await showActivities();
    })));
}

async function showActivities() {
  const { data } = await laurel.get("/v1/ce-activities?limit=100");
  main.replaceChildren(
    element("section", {}, element("h2", {}, "Activities"), ...data.map((each) =>
      form(each.title, [element("p", {}, each.title)], `Claim credit for ${each.title}`, async (_typed, key) => {
        const opened = await laurel.take({ method: "POST", href: "/v1/claims" }, { ce_activity: each.slug }, key);
        await followClaim(opened.claim ?? opened.href);
      }))),
    form("Session", [], "Sign out", async () => {
      await laurel.send("DELETE", "/v1/session");
      signOutHere();
    }),
  );
}

/** Show a claim, and show it anew whenever it changes; what is being typed stays until there is something else to do. */
async function followClaim(href) {
  watching.abort();
  watching = new AbortController();
  const { signal } = watching;
  const status = element("section", { "aria-live": "polite", id: "status" });
  const steps = element("div", { id: "steps" });
  const back = element("button", { type: "button" }, "All activities");
  back.addEventListener("click", () => { watching.abort(); attempt(showActivities); });
  main.replaceChildren(status, steps, back);
  let shown = "";
  const show = async (claim) => {
    status.replaceChildren(...told(claim));
    const offered = JSON.stringify(claim.next_actions);
    if (offered === shown) return;
    shown = offered;
    const forms = await Promise.all(claim.next_actions.map((action) => stepForm(action, show, href)));
    if (offered === shown) steps.replaceChildren(...forms.filter(Boolean));
  };
  try {
    for await (const claim of laurel.statuses(href, signal)) await show(claim);
    await show(await laurel.get(href));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function told(claim) {
  const until = claim.waiting_until ? `, until ${new Date(claim.waiting_until).toLocaleTimeString()}` : "";
  return [
    element("h2", {}, claim.ce_activity.title),
    element("p", { id: "stage", "data-stage": claim.stage },
      `${claim.stage.replaceAll("_", " ")}: ${claim.progress.done} of ${claim.progress.total} steps done`),
    claim.next_actions.length ? null : element("p", {}, `Waiting for: ${claim.waiting_for}${until}`),
    ...claim.deadlines.map((each) => element("p", {}, `${each.name}: ${new Date(each.at).toLocaleString()} (${each.time_zone}: ${each.at})`)),
    claim.award && element("p", { id: "award" }, `Awarded: ${claim.award.units} ${claim.award.credit_name}`),
  ].filter(Boolean);
}

/** The form of one next action; an action that this page does not know yet is left to the pages of Laurel. */
async function stepForm(action, show, href) {
  if (action.action === "view_certificate") return certificate(action);
  const kind = FORMS[action.action];
  if (!kind) return null;
  const loaded = kind.load ? await kind.load(laurel, action) : null;
  const fields = (await kind.show(action, loaded)).filter(Boolean);
  const heading = element("h3", {}, kind.title);
  if (!kind.send) return element("section", {}, heading, ...fields);
  const made = form(kind.title, fields, kind.title, async (typed, key) => {
    const step = { ...action, href: kind.href ? kind.href(typed, action) : action.href };
    await laurel.take(step, kind.send(typed, action, loaded), key);
    await show(await laurel.get(href));
  });
  return kind.isQuiet
    ? element("details", {}, element("summary", {}, kind.title), made)
    : element("section", {}, heading, made);
}

function certificate(action) {
  return form("Certificate", [], "Get the certificate", async () => {
    const address = await laurel.file(action.href);
    document.getElementById("steps").append(element("p", {}, element("a", { href: address, download: "certificate.pdf" }, "Certificate (PDF)")));
  });
}

start();
