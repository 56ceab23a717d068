// A receiver that verifies X-Signature and drops repetitions. Node's standard library only.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const secret = process.env.TRAY_SHARED_SECRET;
const seen = new Map(); // key -> time; use a database or Redis (SET key 1 NX EX 86400) for more than one process
const DAY = 24 * 60 * 60 * 1000;

function isSigned(body, signature = "") {
  const expected = Buffer.from(createHmac("sha1", secret).update(body).digest("hex"));
  const given = Buffer.from(signature);
  return expected.length === given.length && timingSafeEqual(expected, given);
}

function handle(event) {
  console.log("event", event.type);
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks); // the bytes as they came: JSON.stringify(JSON.parse(body)) may differ
  if (!isSigned(body, request.headers["x-signature"])) return response.writeHead(401).end();
  const key = request.headers["idempotency-key"];
  if (!seen.has(key)) {
    handle(JSON.parse(body)); // when it throws, nothing is remembered and the event is sent again
    seen.set(key, Date.now());
  }
  response.writeHead(200).end();
}).listen(Number(process.env.PORT ?? 8080), "127.0.0.1");

setInterval(() => seen.forEach((at, key) => Date.now() - at > DAY && seen.delete(key)), 60_000);
