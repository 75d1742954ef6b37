// What the pages' forms gain where scripts run. Every page works without.

// A form that was sent is not sent again by a second click; its key would make both one anyway.
document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("button:not([name])")) {
    setTimeout(() => { button.disabled = true; }, 0);
    setTimeout(() => { button.disabled = false; }, 8000);
  }
});

// A page that answers a refused form takes the place of the form's own page: to reload it, or to come back to it, sends
// nothing again, and what was typed is there still.
const isTicked = (field) => field.type === "checkbox" || field.type === "radio";
const typable = () => [...document.querySelectorAll("main :is(input:not([type=hidden], [type=file]), select, textarea)[name]")];
if (document.body.dataset.form) {
  const typed = typable().map((field) => ({ name: field.name, value: field.value, ticked: isTicked(field) && field.checked }));
  history.replaceState({ typed }, "", document.body.dataset.form);
} else if (history.state?.typed) {
  const fields = typable();
  for (const { name, value, ticked } of history.state.typed) {
    const at = fields.findIndex((field) => field.name === name && (!isTicked(field) || field.value === value));
    const [field] = at < 0 ? [] : fields.splice(at, 1);
    if (field && isTicked(field)) field.checked = ticked;
    else if (field) field.value = value;
  }
}

// A summary of errors is where reading goes on.
document.querySelector(".errors")?.focus();

// A time zone that nobody said yet is taken from the machine, where its name is one of the list.
for (const field of document.querySelectorAll("input[data-guess]")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const isKnown = [...field.list.options].some((option) => option.value === zone);
  if (!field.value && isKnown) field.value = zone;
}

// Printing is a button where scripts run; browsers have one of their own.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
