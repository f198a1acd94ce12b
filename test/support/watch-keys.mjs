/**
 * Asks for a key set every 20 ms, each time on a connection of its own, in a process of its own. When
 * its input ends it writes what it met, as JSON: how often it asked, what was not 200, and how long it took.
 */
import { request } from 'node:http';
import { request as requestTls } from 'node:https';

const [, , url] = process.argv;
const send = url.startsWith('https:') ? requestTls : request;
const failures = [];
const times = [];
let isOver = false;
process.stdin.resume().on('end', () => (isOver = true));

function ask() {
  const start = performance.now();
  return new Promise((done) => {
    const failed = (reason) => {
      failures.push(String(reason));
      done();
    };
    const sent = send(url, { agent: false, rejectUnauthorized: false }, (response) => {
      if (response.statusCode !== 200) failed(response.statusCode);
      response.resume().on('end', () => {
        times.push(Math.round(performance.now() - start));
        done();
      });
    });
    sent.on('error', failed).end();
  });
}

while (!isOver) {
  await ask();
  await new Promise((next) => setTimeout(next, 20));
}
times.sort((one, other) => one - other);
const met = {
  asked: times.length,
  failed: failures,
  p50Ms: times[Math.floor(times.length * 0.5)],
  p99Ms: times[Math.floor(times.length * 0.99)],
  slowestMs: times.at(-1),
  over100Ms: times.filter((time) => time > 100).length,
};
process.stdout.write(JSON.stringify(met));
