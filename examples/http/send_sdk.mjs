// Send one message with Telnyx's own Node SDK: npm install telnyx; node send_sdk.mjs TO FROM TEXT KEY
//
// SLUICEGATE_URL is where `sluicegate serve` listens, and SLUICEGATE_TOKEN is the app's token. The key
// goes as a header: the SDK drops its option idempotencyKey, and would send every retry as a new message.
import Telnyx from "telnyx";

const [to, from, text, key] = process.argv.slice(2);
if (!key) throw new Error("give a KEY of your own, such as order-4711: the same key never sends twice");
const sdk = new Telnyx({
  apiKey: process.env.SLUICEGATE_TOKEN,
  baseURL: `${process.env.SLUICEGATE_URL ?? "http://127.0.0.1:8080"}/v2`,
});

const { data } = await sdk.messages.send({ to, from, text }, { headers: { "Idempotency-Key": key } });
console.log(`${data.id}: ${data.to[0].status}`);
