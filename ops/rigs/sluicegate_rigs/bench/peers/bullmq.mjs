// BullMQ: a worker with a concurrency of 200, using undici, and its producer (produce BODIES.json).
import { readFileSync } from "node:fs";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { Agent, request } from "undici";

const connection = new Redis(process.env.BENCH_REDIS_URL, { maxRetriesPerRequest: null });
const url = `${process.env.BENCH_URL}/messages`;
const headers = {
  authorization: `Bearer ${process.env.SLUICEGATE_TELNYX_API_KEY}`,
  "content-type": "application/json",
};

if (process.argv[2] === "produce") {
  const bodies = JSON.parse(readFileSync(process.argv[3], "utf8"));
  const queue = new Queue("send", { connection });
  await queue.waitUntilReady();
  const began = process.hrtime.bigint();
  const used = process.cpuUsage();
  for (let n = 0; n < bodies.length; n += 500) {
    await queue.addBulk(
      bodies.slice(n, n + 500).map((data) => ({
        name: "send",
        data,
        opts: { removeOnComplete: true, removeOnFail: true },
      })),
    );
  }
  const { user, system } = process.cpuUsage(used);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(JSON.stringify({ seconds, cpu_seconds: (user + system) / 1e6 }));
  await queue.close();
  connection.disconnect();
} else {
  const dispatcher = new Agent({ connections: 200 });
  const worker = new Worker(
    "send",
    async (job) => {
      const answer = await request(url, {
        method: "POST",
        headers,
        body: JSON.stringify(job.data),
        dispatcher,
      });
      if (answer.statusCode !== 200) throw new Error(`HTTP ${answer.statusCode}`);
      return (await answer.body.json()).data.id;
    },
    { connection, concurrency: 200 },
  );
  process.on("SIGTERM", () => worker.close().then(() => process.exit(0)));
}
