/**
 * Asks for a key set every 20 ms, each time on a connection of its own, in a process of its own. When
 * its input ends it writes what it met, as JSON: how often it asked, what was not 200, and the slowest.
 */
import { request } from 'node:http';
import { request as requestTls } from 'node:https';

const [, , url] = process.argv;
const send = url.startsWith('https:') ? requestTls : request;
const met = { asked: 0, failed: [], slowestMs: 0, over100Ms: 0 };
let isOver = false;
process.stdin.resume().on('end', () => (isOver = true));

function ask() {
  const start = performance.now();
  return new Promise((done) => {
    const failed = (reason) => {
      met.failed.push(String(reason));
      done();
    };
    const sent = send(url, { agent: false, rejectUnauthorized: false }, (response) => {
      if (response.statusCode !== 200) failed(response.statusCode);
      response.resume().on('end', () => {
        const took = performance.now() - start;
        met.slowestMs = Math.max(met.slowestMs, Math.round(took));
        if (took > 100) met.over100Ms += 1;
        done();
      });
    });
    sent.on('error', failed).end();
    met.asked += 1;
  });
}

while (!isOver) {
  await ask();
  await new Promise((next) => setTimeout(next, 20));
}
process.stdout.write(JSON.stringify(met));
