"use strict";
// Light and dark: what the system says until the button was pressed, which is remembered where that is possible.
const root = document.documentElement;
const button = document.getElementById("theme");
const dark = () =>
  root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
const show = () => { button.textContent = dark() ? "Light colours" : "Dark colours"; };
try {
  const kept = localStorage.getItem("gradcheck-theme");
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
} catch { /* no storage for a file in a sandbox: the choice is for this page only */ }
button.hidden = false;
button.addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  show();
  try { localStorage.setItem("gradcheck-theme", root.dataset.theme); } catch { /* as above */ }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
show();

const said = document.getElementById("said");
const select = (node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
};
for (const copy of document.querySelectorAll("button.copies")) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    const code = copy.previousElementSibling.firstElementChild;
    let done = true;
    try { await navigator.clipboard.writeText(code.textContent); } catch {
      select(code);
      done = document.execCommand("copy");
    }
    said.textContent = done ? "Copied." : "Selected: press Ctrl+C.";
    copy.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { copy.textContent = "Copy"; said.textContent = ""; }, 2500);
  });
}
// A link to a check that is folded opens it; on paper all is unfolded but the tables behind the pictures.
const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
};
addEventListener("hashchange", unfold);
unfold();
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open]):not(.numbers)")];
  for (const details of folded) details.open = true;
});
addEventListener("afterprint", () => { for (const details of folded) details.open = false; });
