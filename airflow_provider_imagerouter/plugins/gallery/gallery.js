"use strict";

const root = document.documentElement;
const framed = window.parent !== window;
root.classList.toggle("framed", framed);

/* Airflow's own setting, light, dark or system; a user's switch arrives as a storage event. */
function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}
function followTheme() {
  const theme = stored("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  else delete root.dataset.theme;
}
followTheme();

/* Times are written in UTC; with Airflow's own setting of the time zone they are shown as Airflow shows its own. */
function followTimeZone() {
  let timeZone = stored("timezone");
  try { timeZone = JSON.parse(timeZone); } catch { /* written as it is */ }
  if (!timeZone) timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  let format;
  try {
    format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
  } catch { return; }
  const times = [...document.querySelectorAll("time")];
  for (const template of document.querySelectorAll("template.details")) times.push(...template.content.querySelectorAll("time"));
  for (const time of times) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const text = format.format(moment);
    time.title = `${text} ${timeZone}`;
    time.textContent = time.closest(".about") ? text.slice(0, 16) : text;
  }
}
followTimeZone();

window.addEventListener("storage", (event) => {
  if (event.key === "theme") followTheme();
  if (event.key === "timezone") followTimeZone();
});

/* Airflow's frame lets nothing out: no other page, no new tab, and before 3.3.1 no download. Its page around may, and is ours to use. */
function leave(link, { inTab = false } = {}) {
  const page = window.parent.document;
  const there = page.createElement("a");
  there.href = link.href;
  there.rel = "noreferrer noopener";
  if (link.hasAttribute("download")) there.download = link.getAttribute("download");
  else if (inTab) there.target = "_blank";
  page.body.append(there);
  there.click();
  there.remove();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!framed || !link || event.defaultPrevented) return;
  const elsewhere = link.origin !== location.origin;
  const inTab = event.ctrlKey || event.metaKey || elsewhere || link.hasAttribute("data-inside");
  if (!inTab && !link.matches("[data-leave], [download]")) return;
  event.preventDefault();
  try { leave(link, { inTab }); } catch { location.assign(link.href); }
});

/* A link that is dead is said to be, in place of the picture. */
function replaceDead(picture) {
  const box = document.createElement("span");
  box.className = "absent dead";
  box.textContent = "link" in picture.dataset
    ? "There is nothing at its link (any more): ImageRouter keeps pictures for 30 days, output_path stores them."
    : "It could not be loaded, or this browser cannot show it.";
  picture.replaceWith(box);
}
document.addEventListener("error", (event) => {
  if (event.target instanceof Element && event.target.matches("img, video")) replaceDead(event.target);
}, true);
for (const image of document.images) if (image.complete && image.src && !image.naturalWidth && image.loading !== "lazy") replaceDead(image);

/* Of videos only the beginning is fetched, and only of those that come into sight. */
const sight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    target.preload = "metadata";
    sight.unobserve(target);
  }
}, { rootMargin: "200px" });
for (const video of document.querySelectorAll(".frame video")) sight.observe(video);

const sort = document.querySelector(".search select");
sort?.addEventListener("change", () => sort.form.requestSubmit());
const menu = document.querySelector(".siblings details");
document.addEventListener("click", (event) => {
  if (menu?.open && !menu.contains(event.target)) menu.open = false;
});
menu?.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

/* The viewer: a picture in full, its record, what it was made from, and the way to the next. */
const viewer = document.getElementById("viewer");
const pictures = [...document.querySelectorAll(".picture[id]")];
let current = -1;

function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
function full(picture) {
  const small = picture.querySelector(".open img, .open video, .open .absent");
  const link = picture.querySelector(".open").href;
  if (small instanceof HTMLVideoElement) {
    const video = element("video", { src: link, controls: true, preload: "metadata", playsInline: true });
    if ("link" in small.dataset) video.dataset.link = "";
    return video;
  }
  if (!(small instanceof HTMLImageElement)) return small.cloneNode(true);
  return large(small, link);
}
function large(small, link) {
  const image = element("img", { alt: small.alt, referrerPolicy: small.referrerPolicy });
  if ("link" in small.dataset) image.dataset.link = "";
  image.src = link;
  return image;
}
function comparison(shown, before, after) {
  before.classList.add("before");
  after.classList.add("after");
  shown.append(before, after, element("div", { className: "line" }));
  const range = element("input", { type: "range", min: 0, max: 100, value: 50, ariaLabel: "How much of what it was made from is shown, in percent" });
  range.addEventListener("input", () => shown.style.setProperty("--at", `${range.value}%`));
  const row = element("label", { className: "compare" });
  row.append("Made from", range, "Edit");
  return row;
}
function show(index) {
  const picture = pictures[index];
  if (!picture) return;
  current = index;
  const stage = viewer.querySelector(".stage");
  const shown = element("div", { className: "shown" });
  const content = full(picture);
  const inputs = [...picture.parentElement.querySelectorAll(".input img")];
  stage.replaceChildren(shown);
  if (inputs.length && content instanceof HTMLImageElement) {
    const before = large(inputs[0], inputs[0].src);
    stage.append(comparison(shown, before, content));
    if (inputs.length > 1) stage.append(choice(inputs, before));
  } else shown.append(content);
  viewer.querySelector(".record").replaceChildren(picture.querySelector("template.details").content.cloneNode(true));
  viewer.querySelector(".record").scrollTop = 0;
  viewer.querySelector(".count").textContent = `${index + 1} of ${pictures.length}`;
  viewer.querySelector("[data-step='-1']").disabled = index === 0;
  viewer.querySelector("[data-step='1']").disabled = index === pictures.length - 1;
  save(picture);
  history.replaceState(null, "", `#${encodeURIComponent(picture.id)}`);
  if (!viewer.open) viewer.showModal();
}
function choice(inputs, before) {
  const row = element("div", { className: "inputs" });
  inputs.forEach((input, number) => {
    const button = element("button", { className: "button", textContent: `Input ${number + 1}` });
    button.addEventListener("click", () => { before.src = input.src; });
    row.append(button);
  });
  return row;
}
function save(picture) {
  const link = viewer.querySelector("[data-save]");
  const { href, origin } = picture.querySelector(".open");
  const isThere = !picture.querySelector(".open > .absent");
  link.hidden = !isThere;
  if (!isThere) return;
  const isOurs = origin === location.origin;
  const address = new URL(href);
  if (isOurs) address.searchParams.set("download", "1");
  link.href = address;
  link.toggleAttribute("download", isOurs);
  link.rel = "noreferrer";
}
function open(event) {
  const link = event.target.closest(".open");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  show(pictures.indexOf(link.closest(".picture")));
}
document.querySelector("main").addEventListener("click", open);
viewer.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.step) show(current + Number(button.dataset.step));
  if (button && "close" in button.dataset) viewer.close();
});
document.addEventListener("keydown", (event) => {
  if (!viewer.open || event.target.matches("input, video") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  show(current + step);
});
viewer.addEventListener("close", () => {
  viewer.querySelector(".stage").replaceChildren();
  history.replaceState(null, "", location.pathname + location.search);
  pictures[current]?.querySelector(".open").focus();
});
function followAddress() {
  const index = pictures.findIndex((picture) => `#${encodeURIComponent(picture.id)}` === location.hash);
  if (index >= 0 && !(viewer.open && index === current)) show(index);
}
window.addEventListener("hashchange", followAddress);
followAddress();
