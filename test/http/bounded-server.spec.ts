import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { BoundedServer } from '../../src/http/bounded-server.js';
import type { ConnectionLimits } from '../../src/http/connection-limits.js';
import { createLogger } from '../../src/platform/logging.js';
import { get, RawClient } from '../support/raw-client.js';

const LIMITS: ConnectionLimits = {
  connections: 4,
  connectionsPerAddress: 4,
  requestsPerConnection: 1000,
  unreadAnswerMs: 10_000,
};
const PATIENCE_MS = 10_000;

describe('the bounded server', () => {
  let bounded: BoundedServer;
  let server: Server;
  let clients: RawClient[];

  beforeEach(() => {
    clients = [];
  });

  afterEach(async () => {
    for (const { socket } of clients) socket.destroy();
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });

  async function serve(
    listener: RequestListener,
    limits: Partial<ConnectionLimits> = {},
    trustedProxies: readonly string[] = [],
  ): Promise<void> {
    bounded = new BoundedServer({ trustedProxies, databasePoolSize: 10 }, createLogger('fatal'), {
      ...LIMITS,
      ...limits,
    });
    server = bounded.create(listener, null);
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  }

  async function client(bytes = ''): Promise<RawClient> {
    const connected = new RawClient((server.address() as AddressInfo).port);
    clients.push(connected);
    await connected.opened;
    if (bytes !== '') connected.socket.write(bytes);
    return connected;
  }

  /** Waits until the condition holds. */
  async function until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error('it did not happen');
      await sleep(5);
    }
  }

  describe('on one connection', () => {
    it('works on one request at a time, and answers them in order', async () => {
      const open: ServerResponse[] = [];
      await serve((_request, answer) => open.push(answer));
      const { socket, text } = await client(
        get('/.well-known/1') + get('/.well-known/2') + get('/.well-known/3'),
      );
      for (let answered = 0; answered < 3; answered += 1) {
        await until(() => open.length === answered + 1);
        await nextTurn();
        expect(open).toHaveLength(answered + 1);
        open[answered]?.end(`answer ${answered}`);
      }
      await until(() => text().includes('answer 2'));
      expect(text().match(/answer \d/g)).toEqual(['answer 0', 'answer 1', 'answer 2']);
      socket.destroy();
    });

    it('does not parse far ahead of its answers, and answers everything in the end', async () => {
      const open: ServerResponse[] = [];
      await serve((_request, answer) => open.push(answer));
      let parsed = 0;
      server.on('request', () => (parsed += 1));
      const requests = 500;
      const { text } = await client(get('/.well-known/a').repeat(requests));
      await until(() => open.length === 1);
      await sleep(100);
      expect(parsed).toBeLessThan(50);
      for (let answered = 0; answered < requests; answered += 1) {
        await until(() => open.length > 0);
        open.shift()?.end();
      }
      await until(() => text().split('HTTP/1.1 200').length === requests + 1);
      expect(parsed).toBe(requests);
    });

    it('reads the body of a request that was sent ahead', async () => {
      await serve((request, answer) => {
        let length = 0;
        request.on('data', (bytes: Buffer) => (length += bytes.length));
        request.on('end', () => answer.end(`${length} bytes`));
      });
      const post = 'POST /.well-known/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n';
      const { text } = await client(`${get('/.well-known/a')}${post}${'x'.repeat(5000)}`);
      await until(() => text().includes('5000 bytes'));
      expect(text().match(/\d+ bytes/g)).toEqual(['0 bytes', '5000 bytes']);
    });

    it.each([
      ['in packets of their own', get('/.well-known/a')],
      ['with an expectation', get('/.well-known/a').replace('\r\n\r\n', '\r\nExpect: x\r\n\r\n')],
      ['without a host', 'GET /.well-known/a HTTP/1.1\r\n\r\n'],
    ])('does not parse far ahead of its answers when requests come %s', async (_how, request) => {
      const open: ServerResponse[] = [];
      await serve((_request, answer) => open.push(answer));
      let parsed = 0;
      for (const event of ['request', 'checkExpectation']) server.on(event, () => (parsed += 1));
      const { socket } = await client(get('/.well-known/first'));
      socket.setNoDelay(true);
      await until(() => open.length === 1);
      for (let packet = 0; packet < 30; packet += 1) {
        socket.write(request.repeat(10));
        await nextTurn();
      }
      await sleep(100);
      // They pass through the bounds. Node answers none of them by itself.
      expect(parsed).toBeGreaterThan(1);
      expect(parsed).toBeLessThan(50);
    });

    it('says "Connection: close" with the last request that is allowed, and drops later ones', async () => {
      let served = 0;
      await serve(
        (_request, answer) => {
          served += 1;
          answer.end('whole');
        },
        { requestsPerConnection: 3 },
      );
      const { text, closed } = await client(get('/.well-known/a').repeat(5));
      await closed;
      const answers = text().split('HTTP/1.1 ').slice(1);
      expect(answers.map((answer) => answer.slice(0, 3))).toEqual(['200', '200', '200']);
      expect(answers.map((answer) => /^connection: close/im.test(answer))).toEqual([
        false,
        false,
        true,
      ]);
      expect(served).toBe(3);
    });

    it('closes the connection when its client does not read', async () => {
      const size = 64 * 1_048_576;
      await serve((_request, answer) => answer.end(Buffer.alloc(size)), { unreadAnswerMs: 0 });
      const { socket, closed } = await client();
      socket.pause();
      socket.write(get('/.well-known/a'));
      await until(() => bounded.connections.counts.busy === 1);
      await until(() => bounded.connections.closed.unread === 1);
      socket.resume();
      await closed;
    });
  });

  describe('with too many connections', () => {
    const answerAtOnce: RequestListener = (_request, answer) => answer.end('whole');

    async function answered(path = '/.well-known/a'): Promise<RawClient> {
      const connected = await client(get(path));
      await until(() => connected.text().includes('whole'));
      return connected;
    }

    it('closes the idle one that was used longest ago', async () => {
      await serve(answerAtOnce, { connections: 2 });
      const first = await answered();
      const second = await answered();
      first.socket.write(get('/.well-known/again'));
      await until(() => first.text().split('whole').length === 3);
      const third = await answered();
      await second.closed;
      expect([first.isOpen, third.isOpen]).toEqual([true, true]);
    });

    it('closes one that has sent nothing for a while before an idle one', async () => {
      await serve(answerAtOnce, { connections: 2 });
      const idle = await answered();
      const silent = await client();
      await sleep(1100);
      await answered();
      await silent.closed;
      expect(idle.isOpen).toBe(true);
    });

    it('closes one whose body does not arrive', async () => {
      await serve((request, answer) => request.resume().once('end', () => answer.end('whole')), {
        connections: 1,
      });
      const slow = await client(
        'POST /.well-known/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf',
      );
      await until(() => bounded.connections.counts.busy === 1);
      await answered();
      await slow.closed;
    });

    it('closes the new one when all others have a request in work', async () => {
      const open: ServerResponse[] = [];
      await serve((_request, answer) => open.push(answer), { connections: 1 });
      const inWork = await client(get('/.well-known/a'));
      await until(() => open.length === 1);
      await (
        await client(get('/.well-known/b'))
      ).closed;
      expect(bounded.connections.closed).toMatchObject({ refused: 1, evicted: 0 });
      open[0]?.end('whole');
      await until(() => inWork.text().includes('whole'));
    });

    it('limits those of one address before those of all', async () => {
      await serve(answerAtOnce, { connections: 10, connectionsPerAddress: 2 });
      const [first] = [await answered(), await answered(), await answered()];
      await first.closed;
      expect(bounded.connections.counts).toEqual({ silent: 0, idle: 2, busy: 0 });
    });

    it('does not count a trusted proxy as one client', async () => {
      await serve(answerAtOnce, { connections: 10, connectionsPerAddress: 2 }, ['127.0.0.0/8']);
      for (let count = 0; count < 4; count += 1) await answered();
      expect(bounded.connections.counts.idle).toBe(4);
    });

    it('does not count closed ones', async () => {
      await serve(answerAtOnce, { connections: 2 });
      const gone = await answered();
      gone.socket.destroy();
      await until(() => bounded.connections.counts.idle === 0);
      const stays = await answered();
      await answered();
      expect(stays.isOpen).toBe(true);
      expect(bounded.connections.closed.evicted).toBe(0);
    });
  });
});
