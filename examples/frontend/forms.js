// From a form that the API describes to a form on the page, and from what was typed to the body of the request.
// Each kind of form has one entry: what it shows, and what it sends.

/** Make an element. Texts are set as texts: nothing that comes from elsewhere is ever read as HTML. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

const field = (label, control) => element("label", {}, label, control);
const text = (name, attributes) => element("input", { name, ...attributes });
const select = (name, options) => element("select", { name },
  ...options.map(({ code, label }) => element("option", { value: code }, label)));
const box = (name, label) => element("label", {}, element("input", { type: "checkbox", name, required: true }), " ", label);
const radios = (name, legend, options, required = true) => element("fieldset", {}, element("legend", {}, legend),
  ...options.map(({ code, label }) => element("label", {},
    element("input", { type: "radio", name, value: code, required }), " ", label)));

function question(asked) {
  const name = `question-${asked.code}`;
  if (asked.options) return radios(name, asked.text, asked.options, asked.is_required !== false);
  if (asked.kind === "scale") {
    const numbers = Array.from({ length: asked.maximum }, (_, index) => ({ code: `${index + 1}`, label: `${index + 1}` }));
    return radios(name, asked.text, numbers, asked.is_required);
  }
  return field(asked.text, element("textarea", { name, required: asked.is_required, maxlength: asked.maximum_length }));
}

/** Answers by the code of their question; what was left out is left out, and a scale's answer is a number. */
function answers(questions, typed) {
  const given = questions.map((each) => [each, typed.get(`question-${each.code}`)]).filter(([, value]) => value);
  return Object.fromEntries(given.map(([each, value]) => [each.code, each.kind === "scale" ? Number(value) : value]));
}

const reason = {
  show: async () => [field("Reason", element("textarea", { name: "reason", required: true }))],
  send: (typed) => ({ reason: typed.get("reason") }),
};

/** By the name of the action: `show` makes the fields, `send` the body. `load` reads what the form does not hold. */
export const FORMS = {
  state_participation: {
    title: "How you took part",
    show: async ({ form }) => [
      form.prompt && element("p", {}, form.prompt),
      form.options.length
        ? radios("value", "You took part", form.options)
        : field(form.method.replaceAll("_", " "), text("value", { required: true, autocomplete: "off" })),
    ],
    send: (typed, { form }) => ({ method: form.method, value: typed.get("value") }),
  },
  choose_statement: {
    title: "Your statement of credit",
    show: async ({ form }) => [radios("credit_type", "Seek", offers(form))],
    send: (typed) => ({ credit_type: typed.get("credit_type") }),
  },
  acknowledge_disclosures: {
    title: "Disclosures",
    show: async ({ form }) => [
      ...form.pages.flatMap((page) => [element("h3", {}, page.title), element("p", {}, page.text)]),
      box("read", "I have read this"),
    ],
    send: (_typed, { form }) => ({ version: form.version }),
  },
  complete_content: {
    title: "Content",
    show: async ({ form }) => [element("ul", {}, ...form.items.map((item) => element("li", {},
      item.url ? element("a", { href: item.url }, item.title) : item.title,
      ` ${item.is_complete ? "complete" : `${Math.floor(item.seconds_completed / 60)} of ${item.minutes} minutes`}`)))],
  },
  start_attempt: {
    title: "Post-test",
    show: async ({ form }) => [element("p", {}, `${form.question_count} questions; ${form.passing_percent} % pass.`)],
    send: () => ({}),
  },
  submit_answers: {
    title: "Post-test",
    load: (laurel, { href }) => laurel.get(href.replace(/\/answers$/, "")),
    show: async (_action, attempt) => attempt.questions.map(question),
    send: (typed, _action, attempt) => ({ answers: answers(attempt.questions, typed) }),
  },
  complete_evaluation: {
    title: "Evaluation",
    show: async ({ form }) => form.questions.map(question),
    send: (typed, { form }) => ({ responses: answers(form.questions, typed) }),
  },
  claim_session: {
    title: "A session",
    load: async (laurel, { href }) => (await laurel.get(`${href.replace("/{session}", "")}?claimed=false&limit=500`)).data,
    show: async ({ form }, sessions) => [
      field("Session", select("session", sessions.map((each) => ({ code: each.code, label: `${each.title} (up to ${each.maximum_units})` })))),
      field("Units", text("units", { required: true, inputmode: "decimal" })),
      ...(form?.evaluation?.questions ?? []).map(question),
    ],
    href: (typed, { href }) => href.replace("{session}", typed.get("session")),
    send: (typed, { form }) => ({
      units: typed.get("units"), ...(form?.evaluation && { responses: answers(form.evaluation.questions, typed) }),
    }),
  },
  claim_credit: {
    title: "Your credit",
    show: async ({ form }) => [
      radios("credit_type", "Claim", offers(form)),
      field("Units", text("units", { required: true, inputmode: "decimal", value: form.offers[0]?.claimable_units })),
      ...form.offers.map((offer) => element("p", {}, offer.attestation_text)),
      box("attested", "I attest to the statement that belongs to what I claim"),
    ],
    send: (typed, { form }) => {
      const offer = form.offers.find((each) => each.credit_type === typed.get("credit_type"));
      return {
        credit_type: offer?.credit_type, units: typed.get("units"),
        attestation_version: offer?.attestation_version, attested: typed.has("attested"),
      };
    },
  },
  finalize: {
    title: "Make it final",
    show: async ({ form }) => [element("p", {}, form.warning), box("confirmed", "Nothing can be changed afterwards; I confirm")],
    send: (typed) => ({ confirmed: typed.has("confirmed") }),
  },
  request_extension: { title: "Ask for more time", isQuiet: true, ...reason },
  withdraw: { title: "Withdraw the claim", isQuiet: true, ...reason },
};

const offers = (form) => form.offers.map((offer) => ({
  code: offer.credit_type, label: `${offer.name}, up to ${offer.claimable_units} ${offer.unit}`,
}));
