// Makes calls with Telnyx's Node SDK as sdk_calls.py does, and checks an event of ours.
//
// It reads {"calls": [...], "event": {...}} on its standard input, and writes what came of each.
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";
import Telnyx from "telnyx";

const { calls, event } = JSON.parse(await text(process.stdin));
const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

async function made({ url, token, method, args, fields, key }) {
  const sdk = new Telnyx({ apiKey: token, baseURL: `${url}/v2`, maxRetries: 0 });
  const [resource, call] = method.split(".").map(camel);
  const options = key ? { headers: { "Idempotency-Key": key } } : {};
  const given = Object.keys(fields).length ? [...args, fields] : args;
  try {
    const answer = await sdk[resource][call](...given, options);
    const data = answer.data ?? answer;
    return [data.id ?? data.phone_number, data.to?.[0].status ?? data.country_code];
  } catch (error) {
    const name = error.constructor.name === "APIError" ? "APIStatusError" : error.constructor.name;
    return [name, error.status, error.error?.errors?.[0].code];
  }
}

async function seen(body) {
  const told = [];
  try {
    told.push(new Webhook(event.secret).verify(body, event.headers).type);
  } catch (error) {
    told.push(error.constructor.name);
  }
  try {
    const sdk = new Telnyx({ apiKey: "none" });
    const unwrapped = await sdk.webhooks.unwrap(body, { headers: event.headers, key: event.key });
    told.push(unwrapped.data.event_type, unwrapped.data.payload.id);
  } catch (error) {
    told.push(error.constructor.name);
  }
  return told;
}

const came = [];
for (const call of calls) came.push(await made(call));
console.log(JSON.stringify({ calls: came, event: [await seen(event.body), await seen(`${event.body} `)] }));
