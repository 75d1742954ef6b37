// What the pages' forms gain where scripts run. Every page works without.

// A form that was sent is not sent again by a second click; its key would make both one anyway.
document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("button:not([name])")) {
    setTimeout(() => { button.disabled = true; }, 0);
    setTimeout(() => { button.disabled = false; }, 8000);
  }
});

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
