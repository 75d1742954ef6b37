// A certificate as a page prints like its PDF: where scripts run, a button beside it opens the browser's dialogue.

const button = document.createElement("button");
button.type = "button";
button.textContent = document.currentScript.dataset.words;
button.lang = document.currentScript.dataset.language;
Object.assign(button.style, {
  position: "fixed", top: "1rem", right: "1rem", padding: "0.6rem 1.2rem", font: "1rem/1.4 sans-serif",
  color: "#ffffff", background: "#2f5d50", border: "0", borderRadius: "4px", cursor: "pointer",
});
button.addEventListener("click", () => window.print());
document.body.prepend(button);

// It is no part of the certificate.
const onPaper = window.matchMedia("print");
const show = () => { button.hidden = onPaper.matches; };
onPaper.addEventListener("change", show);
window.addEventListener("beforeprint", () => { button.hidden = true; });
window.addEventListener("afterprint", show);
show();
