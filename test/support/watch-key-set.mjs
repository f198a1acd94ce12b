// A thread that asks for the key set all the time, on a connection of its own, and reports the longest
// wait since it was last asked. Apart from the thread that sends the load, which would hold it up.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let longestMs = 0;
let refused = 0;
let isWanted = false;

// Reported once the question under way has its answer: it may be the one that waits.
parentPort.on('message', () => {
  isWanted = true;
});

for (;;) {
  const start = performance.now();
  const status = await ask();
  longestMs = Math.max(longestMs, performance.now() - start);
  if (status !== 200) refused += 1;
  if (isWanted) {
    parentPort.postMessage({ longestMs, refused });
    [longestMs, refused, isWanted] = [0, 0, false];
  }
  await sleep(4);
}

function ask() {
  return new Promise((done) => {
    const asked = request(`${workerData}/oauth/discovery/keys`, { agent }, (answer) => {
      answer.resume().on('end', () => done(answer.statusCode));
    });
    asked.on('error', () => done(0)).end();
  });
}
