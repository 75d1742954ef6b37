// What long forms and amounts gain where scripts run: drafts that save themselves, and buttons that step.

const PAUSE_MILLISECONDS = 2000;

for (const form of document.querySelectorAll("form[data-draft]")) {
  const said = form.querySelector("[data-draft-status]");
  let timer;
  const save = async () => {
    clearTimeout(timer);
    timer = undefined;
    const body = new URLSearchParams(new FormData(form));
    body.set("auto", "1");
    try {
      const answer = await fetch(form.dataset.draft, { method: "POST", body, keepalive: true, redirect: "error" });
      if (!answer.ok && answer.status !== 409) throw new Error();
      if (said && answer.ok) said.textContent = said.dataset.saved;
    } catch {
      if (said) said.textContent = said.dataset.failed;
      timer = setTimeout(save, 5 * PAUSE_MILLISECONDS);
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE_MILLISECONDS);
  });
  form.addEventListener("submit", () => clearTimeout(timer));
  document.addEventListener("visibilitychange", () => { if (document.hidden && timer) save(); });
}

// Amounts are stepped in hundredths, so that no fraction is lost.
const hundredths = (text) => Math.round(Number(text) * 100);

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-step]");
  if (!button) return;
  const field = button.parentElement.querySelector("input");
  const wanted = hundredths(field.value) + Number(button.dataset.step) * hundredths(field.step);
  const amount = Math.min(Math.max(wanted, hundredths(field.min)), hundredths(field.max));
  field.value = (amount / 100).toFixed(2);
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
