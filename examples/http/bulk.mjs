// Send many messages over HTTP with Node's own fetch: node bulk.mjs FILE
//
// Each line of FILE is a message in JSON, with an idempotency_key of its own. A line that got no result, or
// 429 or 503, is sent again: with its key that never sends twice. Node's fetch sends all before it reads, so
// it sends some thousand lines at a time.
import { open } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

const AT_ONCE = 5_000;
const url = `${process.env.SLUICEGATE_URL ?? "http://127.0.0.1:8080"}/v2/messages/bulk`;

async function send(lines, tries = 5) {
  const refused = [];
  for (let left = tries; lines.length; left--) {
    if (!left) throw new Error(`${lines.length} lines were not taken`);
    const results = await results_of(lines);
    const again = [];
    let wait = 0;
    lines.forEach((line, n) => {
      const result = results.get(n + 1);
      if (result === undefined || result.status === 503 || result.status === 429) {
        again.push(line);
        wait = Math.max(wait, result?.retry_after ?? 1);
      } else if (result.status !== 200) {
        refused.push(result);
      }
    });
    lines = again;
    if (lines.length && left > 1) await pause(1000 * wait);
  }
  return refused;
}

async function results_of(lines) {
  const results = new Map();
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        "Authorization": `Bearer ${process.env.SLUICEGATE_TOKEN}`,
        "Content-Type": "application/x-ndjson",
      },
      body: lines.join("\n"),
    });
    if (!answer.ok) throw Object.assign(new Error(await answer.text()), { fatal: answer.status < 500 });
    let kept = "";
    for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
      const whole = (kept + text).split("\n");
      kept = whole.pop();
      for (const line of whole) {
        const result = JSON.parse(line);
        results.set(result.line, result);
      }
    }
  } catch (error) {
    if (error.fatal) throw error;  // else what has no result is sent again
  }
  return results;
}

let taken = 0, refused = 0, lines = [];

async function flush() {
  const faults = await send(lines);
  for (const { id, errors: [error] } of faults) {
    console.error(`${id ?? "a line"}: ${error.code} ${error.title}: ${error.detail}`);
  }
  refused += faults.length;
  taken += lines.length - faults.length;
  lines = [];
}

try {
  const file = await open(process.argv[2]);
  for await (const line of file.readLines()) {
    if (line.trim() && lines.push(line) >= AT_ONCE) await flush();
  }
  if (lines.length) await flush();
  console.log(`${taken} taken, ${refused} refused`);
  process.exitCode = refused ? 1 : 0;
} catch (error) {
  console.error(`not sent: ${error.message}`);
  process.exitCode = 1;
}
