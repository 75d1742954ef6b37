// Computes the SHA-256 of a chosen file here, in the browser, and sends nothing but that to be looked up.
"use strict";

const form = document.getElementById("by-file");
const chooser = document.getElementById("file");
const hash = document.getElementById("sha256");
const note = document.getElementById("file-note");
const LARGEST = 64 * 1024 * 1024;

async function sha256(file) {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function check() {
  const [file] = chooser.files;
  if (!file) return;
  if (file.size > LARGEST) {
    note.textContent = note.dataset.large;
    return;
  }
  note.textContent = note.dataset.reading;
  try {
    hash.value = await sha256(file);
  } catch {
    note.textContent = note.dataset.failed;
    return;
  }
  form.requestSubmit();
}

// Browsers offer the digest to pages from https and from this device only.
if (form && window.crypto && crypto.subtle) {
  document.getElementById("chooser").hidden = false;
  document.getElementById("by-hand").open = false;
  chooser.addEventListener("change", check);
}
