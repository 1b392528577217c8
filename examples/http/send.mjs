// Send one message over HTTP with Node's own fetch: node send.mjs TO FROM TEXT [KEY]
//
// SLUICEGATE_URL is where `sluicegate serve` listens, and SLUICEGATE_TOKEN is the app's token. The key
// becomes the message's id: the same key never sends twice, so a failed call is simply repeated.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

const [to, from, text, key = randomUUID()] = process.argv.slice(2);
const url = `${process.env.SLUICEGATE_URL ?? "http://127.0.0.1:8080"}/v2/messages`;

async function send(message, key, tries = 4) {
  for (let left = tries - 1; ; left--) {
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        "Authorization": `Bearer ${process.env.SLUICEGATE_TOKEN}`,
        "Content-Type": "application/json",
        "Idempotency-Key": key,
        "Sluicegate-Priority": "transactional",
      },
      body: JSON.stringify(message),
      signal: AbortSignal.timeout(20_000),
    }).catch((error) => { if (left) return null; throw error; });

    if (answer?.ok) return (await answer.json()).data;
    if (answer && answer.status !== 503) {
      const [error] = (await answer.json()).errors;
      throw new Error(`${answer.status} ${error.code} ${error.title}: ${error.detail}`);
    }
    if (!left) throw new Error("not accepted: no answer, or 503 each time");
    await pause(1000 * Number(answer?.headers.get("retry-after") ?? 1));
  }
}

try {
  const { id, to: [recipient] } = await send({ to, from, text }, key);
  console.log(`${id}: ${recipient.status}`);
} catch (error) {
  console.error(`not sent: ${error.message}`);
  process.exitCode = 1;
}
