// Keeps the table of services as it is now. Without this script the page reloads by itself.
"use strict";

const PAUSE_MS = 2000;

function show(row, service) {
  const state = row.querySelector(".state");
  state.textContent = service.up ? "up" : service.state || "down";
  state.className = `state ${service.up ? "pass" : "fail"}`;
  row.querySelector(".handled").textContent = service.handled ?? "";
  row.querySelector(".restarts").textContent = service.restarts ?? "";
}

function say(status, words) {
  const line = document.getElementById("status");
  if (line.textContent !== words) line.textContent = words;
  line.className = `status ${status}`;
}

async function refresh() {
  try {
    const answer = await fetch("/health/detailed", { cache: "no-store" });
    const health = await answer.json();
    for (const row of document.querySelectorAll("[data-service]")) {
      show(row, health.services[row.dataset.service] || { up: false });
    }
    const missing = health.missing.join(", ");
    say(health.status, missing ? `Not ready: ${missing}` : "Everything runs");
    document.getElementById("now").textContent = `${new Date().toISOString().slice(11, 19)} UTC`;
    document.body.dataset.live = "yes";
  } catch {
    say("fail", "The server does not answer");
  }
  setTimeout(refresh, PAUSE_MS);
}

refresh();
